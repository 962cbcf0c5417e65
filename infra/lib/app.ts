import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { App, type AppProps, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { parametersFromContext } from './parameters.ts';
import { repositoryRoot } from './repository-root.ts';
import { MlServerlessStack, type MlServerlessStackProps } from './stack.ts';

export const STACK_NAME = 'ml-serverless';

export interface BuildAppOptions extends Pick<MlServerlessStackProps, 'root' | 'functionCode'> {
  /** As `-c` gives them; merged over what the CDK command line passes. */
  readonly context?: Readonly<Record<string, unknown>>;
  readonly outdir?: string;
  /** false: leave out cdk-nag and the CDK's own rules, which take most of the time; for tests of the template alone. */
  readonly validate?: boolean;
}

/**
 * The CDK app with its one stack, checked by cdk-nag's AWS Solutions rules at each synthesis. The stack is tied to no account
 * or region, so that synthesis asks AWS nothing.
 *
 * @throws AppError INVALID_CONFIGURATION for a wrong parameter
 */
export function buildApp({
  context = {},
  outdir,
  validate = true,
  ...stackProps
}: BuildAppOptions = {}): App {
  const props: AppProps = {
    context: {
      ...featureFlags(),
      ...(validate ? {} : { '@aws-cdk/core:validateAgainstDefaultRules': false }),
      ...context,
    },
    analyticsReporting: false,
    ...(outdir ? { outdir } : {}),
  };
  const app = new App(props);
  new MlServerlessStack(app, STACK_NAME, { ...stackProps, parameters: parametersFromContext(app.node) });
  if (validate) Validations.of(app).addPlugins(new AwsSolutionsChecks(app, { verbose: true }));
  return app;
}

/** cdk.json's own, for when the app is run without the CDK command line: the template must be the same. */
function featureFlags(): Record<string, unknown> {
  const file = JSON.parse(readFileSync(join(repositoryRoot(), 'infra', 'cdk.json'), 'utf8')) as {
    context: Record<string, unknown>;
  };
  return file.context;
}
