import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { freePort } from '../../service/test/helpers/server-program.ts';
import { until } from '../../service/test/helpers/until.ts';
import { parameterSchema } from '../lib/parameters.ts';
import { repositoryRoot } from '../lib/repository-root.ts';

const bin = (name: string) => join(repositoryRoot(), 'dist', 'infra', 'bin', `${name}.js`);
const has = (command: string) => spawnSync(command, ['--help'], { timeout: 60_000 }).error === undefined;

const scratch = mkdtempSync(join(tmpdir(), 'ml-serverless-commands-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** A PATH on which only node and `commands` are found. */
function pathWith(...commands: string[]): string {
  const folder = join(scratch, `bin-${commands.join('-') || 'none'}`);
  mkdirSync(folder, { recursive: true });
  for (const command of commands) {
    const found = spawnSync('sh', ['-c', `command -v ${command}`], { encoding: 'utf8' }).stdout.trim();
    try {
      symlinkSync(found, join(folder, command));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  return [folder, dirname(process.execPath), '/usr/bin', '/bin'].join(delimiter);
}

/** Runs a command with nothing of the caller's AWS configuration. */
function run(name: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin(name), ...args], {
    encoding: 'utf8',
    timeout: 120_000,
    env: {
      PATH: process.env.PATH,
      HOME: scratch,
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_CONFIG_FILE: join(scratch, 'none'),
      AWS_SHARED_CREDENTIALS_FILE: join(scratch, 'none'),
      ...environment,
    },
  });
  return { status, stdout, stderr: stderr.trim() };
}

describe('npm run infra, deploy and destroy', () => {
  it('list every parameter with --help and ask nothing of AWS for it', () => {
    for (const name of ['infra', 'deploy', 'destroy']) {
      const { status, stdout, stderr } = run(name, ['--help'], { PATH: '' });
      assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
      for (const parameter of Object.keys(parameterSchema.properties))
        assert.ok(stdout.includes(`-c ${parameter}=`));
    }
  });

  it('refuse wrong options and parameters in one line, before anything else', () => {
    for (const [args, pattern] of [
      [['-c', 'memroy=1'], /^-c memroy: no such parameter/],
      [['-c', 'auth'], /^-c auth: write -c name=value$/],
      [['--force'], /^Unknown option '--force'/],
      [['everything'], /^Unexpected argument 'everything'/],
    ] as const) {
      const { status, stderr } = run('deploy', args, { PATH: '' });
      assert.equal(status, 1);
      assert.match(stderr, pattern);
      assert.equal(stderr.split('\n').length, 1);
    }
  });

  it('say what a set of parameters costs', () => {
    const { status, stdout } = run('infra', ['-c', 'network=private']);
    assert.equal(status, 0);
    assert.match(stdout, /idle, a month .*VPC endpoints 87\.60/);
  });

  it('stop at missing credentials with one line', { skip: has('aws') ? false : 'needs the AWS CLI' }, () => {
    for (const name of ['deploy', 'destroy']) {
      const { status, stderr } = run(name, []);
      assert.equal(status, 1);
      assert.match(stderr, /^no valid AWS credentials \(.*\): run "aws configure" or "aws sso login"$/);
    }
  });
});

describe('with credentials', {
  skip: has('aws') && has('moto_server') ? false : 'needs the AWS CLI and moto_server',
}, () => {
  let moto: ChildProcess;
  let account: NodeJS.ProcessEnv = {};
  const aws = (...args: string[]) => {
    const { status, stderr } = spawnSync('aws', args, {
      encoding: 'utf8',
      env: { ...process.env, ...account },
    });
    assert.equal(status, 0, stderr);
  };

  before(async () => {
    const port = await freePort();
    moto = spawn('moto_server', ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
    account = {
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_REGION: 'eu-west-1',
      AWS_DEFAULT_REGION: 'eu-west-1',
      DOCKER_HOST: 'unix:///nowhere/docker.sock',
    };
    const url = `http://127.0.0.1:${port}/moto-api/data.json`;
    await until('an answer of moto_server', async () => (await fetch(url)).ok);
  });
  after(() => {
    moto.kill();
  });

  it('deploy stops at an account that is not bootstrapped, then at Docker, each with one line', () => {
    const unprepared = run('deploy', [], account);
    assert.equal(unprepared.status, 1);
    assert.match(
      unprepared.stderr,
      /^account \d{12} is not bootstrapped for the CDK in this region: run "npx cdk bootstrap" once$/,
    );

    aws(
      'ssm',
      'put-parameter',
      '--name',
      '/cdk-bootstrap/hnb659fds/version',
      '--value',
      '28',
      '--type',
      'String',
    );
    const without = run('deploy', [], { ...account, PATH: pathWith('aws') });
    const stopped = has('docker') ? run('deploy', [], account) : without;
    assert.equal(stopped.status, 1);
    assert.match(stopped.stderr, /^Docker is not (running|installed).*: .*-c imageUri=/);
  });

  it('destroy -c retainData=true is refused for a stack that would take its bucket with it', () => {
    const unknown = run('destroy', ['-c', 'retainData=true'], account);
    assert.equal(unknown.status, 1);
    assert.match(unknown.stderr, /^cannot find out whether the deployed stack keeps its bucket/);

    const template = JSON.stringify({
      Resources: {
        Bucket: { Type: 'AWS::S3::Bucket', DeletionPolicy: 'Delete', Properties: { BucketName: 'b-1' } },
      },
    });
    aws('cloudformation', 'create-stack', '--stack-name', 'ml-serverless', '--template-body', template);
    const refused = run('destroy', ['-c', 'retainData=true'], account);
    assert.equal(refused.status, 1);
    assert.match(
      refused.stderr,
      /^the stack was deployed without retainData: run "npm run deploy -- -c retainData=true" first/,
    );
  });
});
