import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Validations } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import type { IConstruct } from 'constructs';
import { buildApp, STACK_NAME } from '../lib/app.ts';
import { IMAGE_URI, synthTemplate } from './helpers/synth.ts';

interface Acknowledgement {
  readonly id: string;
  readonly reason: string;
}

function inFolder(work: (outdir: string) => void): void {
  const outdir = mkdtempSync(join(tmpdir(), 'ml-serverless-nag-'));
  try {
    work(outdir);
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

const build = (outdir: string) =>
  buildApp({
    context: { imageUri: IMAGE_URI },
    outdir,
    functionCode: lambda.Code.fromInline('exports.handler = async () => {};'),
  });

describe('cdk-nag, AWS Solutions', () => {
  // Synthesis ends with an error when a rule is broken and nobody has acknowledged it.
  for (const context of [
    {},
    { auth: 'iam', alarmEmail: 'ops@example.org', retainData: 'true' },
    { auth: 'none', network: 'private', spot: 'false', architecture: 'arm64' },
    { sagemaker: 'endpoint', modelData: 's3://bucket/model.tar.gz' },
    { sagemaker: 'endpoint', sagemakerMode: 'serverless' },
    { sagemaker: 'batch-transform' },
  ]) {
    it(`finds nothing unexplained with ${JSON.stringify(context)}`, () => {
      assert.ok(Object.keys(synthTemplate(context, { validate: true }).Resources).length > 30);
    });
  }

  it('is at work: a role that may do everything stops synthesis', () =>
    inFolder((outdir) => {
      const app = build(outdir);
      const role = new iam.Role(app.node.findChild(STACK_NAME), 'Careless', {
        assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com'),
      });
      role.addToPolicy(new iam.PolicyStatement({ actions: ['s3:*'], resources: ['*'] }));
      assert.throws(() => app.synth(), /Validation failed/);
    }));

  it('has a reason for each acknowledgement, and none for the whole stack', () =>
    inFolder((outdir) => {
      const app = build(outdir);
      const acknowledgements = (node: IConstruct): Acknowledgement[] =>
        node.node.metadata
          .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
          .flatMap(({ data }) =>
            Object.entries(data as Record<string, string>).map(([id, reason]) => ({ id, reason })),
          );
      const ours = ({ id }: Acknowledgement) => !id.startsWith('CloudFormation-Validate::');
      const all = app.node.findAll().flatMap(acknowledgements);
      assert.ok(all.length > 5, 'they are found');
      for (const { id, reason } of all) assert.ok(reason.length > 30, `${id}: ${reason}`);
      // Those of the CDK itself aside.
      assert.deepEqual(acknowledgements(app), []);
      assert.deepEqual(acknowledgements(app.node.findChild(STACK_NAME)).filter(ours), []);
    }));
});
