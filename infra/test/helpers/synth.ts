import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { type BuildAppOptions, buildApp, STACK_NAME } from '../../lib/app.ts';
import type { CfnTemplate } from './intrinsics.ts';

/** An image in ECR, so that a test needs neither the Dockerfile nor a copy of the sources. */
export const IMAGE_URI = `111122223333.dkr.ecr.us-east-1.amazonaws.com/ml-serverless@sha256:${'0'.repeat(64)}`;

/**
 * Synthesises the real stack and returns its template, without validation (nag.test.ts has it). The dispatcher's code is left out
 * unless `options.functionCode` says otherwise: bundle.test.ts has it.
 */
export function synthTemplate(
  context: Readonly<Record<string, unknown>> = {},
  options: Pick<BuildAppOptions, 'root' | 'functionCode' | 'validate'> = {},
): CfnTemplate {
  const outdir = mkdtempSync(join(tmpdir(), 'ml-serverless-synth-'));
  try {
    const app = buildApp({
      context: { imageUri: IMAGE_URI, ...context },
      outdir,
      validate: false,
      functionCode: lambda.Code.fromInline('exports.handler = async () => ({ batchItemFailures: [] });'),
      ...options,
    });
    return app.synth().getStackByName(STACK_NAME).template as CfnTemplate;
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}
