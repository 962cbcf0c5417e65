import { AppError } from '../../service/src/domain/errors.ts';
import { ask } from './run.ts';

/** The account, region and identity that the AWS CLI reports. */
export interface Target {
  readonly account?: string;
  readonly identity?: string;
  readonly region?: string;
  /** Checks that were skipped, and why. */
  readonly notes: readonly string[];
}

export interface CheckOptions {
  readonly profile?: string | undefined;
  /** Whether the deployment builds an image. */
  readonly needsDocker: boolean;
  /** Whether the account must be bootstrapped for the CDK. */
  readonly needsBootstrap: boolean;
}

/**
 * Checks the prerequisites of a deployment before it starts: credentials, the CDK's bootstrap stack, Docker. Changes
 * nothing. Without the AWS CLI, a note says that `cdk` checks the first two itself.
 *
 * @throws AppError INVALID_CONFIGURATION with one line that says what to do
 */
export function checkTarget({ profile, needsDocker, needsBootstrap }: CheckOptions): Target {
  const aws = (...args: string[]) =>
    ask('aws', [...args, '--output', 'json', ...(profile ? ['--profile', profile] : [])]);
  const notes: string[] = [];
  const identity = aws('sts', 'get-caller-identity');
  let target: Omit<Target, 'notes'> = {};
  if (identity.isMissing) {
    notes.push('The AWS CLI is not installed: cdk checks credentials and bootstrap.');
  } else {
    if (identity.status !== 0) {
      throw fault(`no valid AWS credentials (${identity.complaint}): run "aws configure" or "aws sso login"`);
    }
    const { Account, Arn } = JSON.parse(identity.stdout) as { Account: string; Arn: string };
    target = { account: Account, identity: Arn };
    if (needsBootstrap) target = { ...target, ...checkBootstrap(aws, Account, notes) };
  }
  if (needsDocker) checkDocker();
  return { ...target, notes };
}

type Aws = (...args: string[]) => ReturnType<typeof ask>;

/** The SSM parameter that `cdk bootstrap` creates. */
const BOOTSTRAP_VERSION = '/cdk-bootstrap/hnb659fds/version';

function checkBootstrap(aws: Aws, account: string, notes: string[]): { region?: string } {
  const found = aws('ssm', 'get-parameter', '--name', BOOTSTRAP_VERSION);
  if (found.status === 0) {
    const { Parameter } = JSON.parse(found.stdout) as { Parameter: { ARN?: string } };
    const region = Parameter.ARN?.split(':')[3];
    return region ? { region } : {};
  }
  if (found.complaint.includes('ParameterNotFound')) {
    throw fault(
      `account ${account} is not bootstrapped for the CDK in this region: run "npx cdk bootstrap" once`,
    );
  }
  if (found.complaint.includes('AccessDenied')) {
    notes.push(`No permission to read ${BOOTSTRAP_VERSION}: cdk checks the bootstrap.`);
    return {};
  }
  throw fault(
    `cannot find out if the account is bootstrapped for the CDK (${found.complaint}): set AWS_REGION or check the network`,
  );
}

function checkDocker(): void {
  const docker = ask('docker', ['info', '--format', '{{.ServerVersion}}']);
  if (docker.isMissing) {
    throw fault(
      'Docker is not installed: install it to build the image, or use an image in ECR with -c imageUri=…',
    );
  }
  // `docker info` can exit 0 without a server version if only the client responds.
  if (docker.status !== 0 || !docker.stdout.trim()) {
    throw fault(
      `Docker is not running (${docker.complaint}): start it, or use an image in ECR with -c imageUri=…`,
    );
  }
}

/**
 * Whether the deployed stack keeps its bucket. The deployed template decides this, not the arguments of `destroy`.
 *
 * @returns undefined if there is no stack or no AWS CLI
 */
export function keepsData(stackName: string, profile: string | undefined): boolean | undefined {
  const found = ask('aws', [
    ...['cloudformation', 'get-template', '--stack-name', stackName, '--output', 'json'],
    ...(profile ? ['--profile', profile] : []),
  ]);
  if (found.status !== 0) return undefined;
  const { TemplateBody } = JSON.parse(found.stdout) as {
    TemplateBody: { Resources?: Record<string, { Type: string; DeletionPolicy?: string }> };
  };
  const bucket = Object.values(TemplateBody.Resources ?? {}).find(({ Type }) => Type === 'AWS::S3::Bucket');
  return bucket && bucket.DeletionPolicy === 'Retain';
}

const fault = (message: string) => new AppError('INVALID_CONFIGURATION', message);
