import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { App, type AppProps, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { parametersFromContext } from './parameters.ts';
import { repositoryRoot } from './repository-root.ts';
import { MlServerlessStack, type MlServerlessStackProps } from './stack.ts';

export const STACK_NAME = 'ml-serverless';

export interface BuildAppOptions extends Pick<MlServerlessStackProps, 'root' | 'functionCode'> {
  /** The values of `-c`. They override what the CDK command line passes. */
  readonly context?: Readonly<Record<string, unknown>>;
  readonly outdir?: string;
  /** false skips cdk-nag and cfn-guard, which take most of the time, for tests of the template. */
  readonly validate?: boolean;
}

/**
 * The CDK app with its one stack. Each synthesis checks it by cdk-nag's AWS Solutions rules. The stack names no account
 * and no region, so synthesis needs neither credentials nor a network.
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

/** The context of cdk.json, for runs without the CDK command line: both must synthesise the same template. */
function featureFlags(): Record<string, unknown> {
  const file = JSON.parse(readFileSync(join(repositoryRoot(), 'infra', 'cdk.json'), 'utf8')) as {
    context: Record<string, unknown>;
  };
  return file.context;
}
