import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type IPolicyValidationPlugin, Validations } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { buildApp } from '../lib/app.ts';
import { IMAGE_URI, synthTemplate } from './helpers/synth.ts';

const VARIANTS = [
  {},
  { auth: 'iam', alarmEmail: 'ops@example.org', retainData: 'true' },
  { auth: 'none', network: 'private', spot: 'false', architecture: 'arm64', taskStorageGib: '50' },
  { sagemaker: 'endpoint', modelData: 's3://bucket/model.tar.gz' },
  { sagemaker: 'endpoint', sagemakerMode: 'serverless' },
  { sagemaker: 'batch-transform' },
];

/** W3005: the CDK orders functions after their roles explicitly, where the reference does so already. */
const NOT_OURS = ['--ignore-checks', 'W3005', '--'];

describe('cfn-lint', () => {
  const cfnLint = spawnSync('cfn-lint', ['--version'], { encoding: 'utf8' });
  const skip = cfnLint.status === 0 ? false : 'needs cfn-lint: pip install cfn-lint';
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'ml-serverless-lint-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const lint = (template: unknown) => {
    const file = join(folder, 'template.json');
    writeFileSync(file, JSON.stringify(template));
    const { status, stdout, stderr } = spawnSync('cfn-lint', [...NOT_OURS, file], { encoding: 'utf8' });
    return { status, output: `${stdout}${stderr}` };
  };

  for (const context of VARIANTS) {
    it(`finds nothing in the template of ${JSON.stringify(context)}`, { skip }, () => {
      assert.deepEqual(lint(synthTemplate(context)), { status: 0, output: '' });
    });
  }

  it('is at work: a property that does not exist is found', { skip }, () => {
    const template = structuredClone(synthTemplate()) as { Resources: Record<string, unknown> };
    template.Resources.Wrong = { Type: 'AWS::SQS::Queue', Properties: { Colour: 'blue' } };
    assert.match(lint(template).output, /E3002.*Colour/s);
  });
});

/** cfn-guard's rules of AWS Control Tower; the package is 36 MB, so it is used where it is installed. */
const GUARD = '@cdklabs/cdk-validator-cfnguard';
const guard: { CfnGuardValidator: new () => IPolicyValidationPlugin } | undefined = await import(GUARD).catch(
  (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    return undefined;
  },
);

describe('cfn-guard, AWS Control Tower rules', () => {
  for (const context of VARIANTS) {
    it(`finds nothing unexplained with ${JSON.stringify(context)}`, {
      skip: guard ? false : `needs ${GUARD}: npm install --no-save ${GUARD}`,
    }, () => {
      assert(guard);
      const outdir = mkdtempSync(join(tmpdir(), 'ml-serverless-guard-'));
      try {
        const app = buildApp({
          context: { imageUri: IMAGE_URI, ...context },
          outdir,
          validate: false,
          functionCode: lambda.Code.fromInline('exports.handler = async () => {};'),
        });
        Validations.of(app).addPlugins(new guard.CfnGuardValidator());
        // Ends with an error for a rule that is broken and not acknowledged.
        app.synth();
      } finally {
        rmSync(outdir, { recursive: true, force: true });
      }
    });
  }
});
