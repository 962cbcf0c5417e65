import { COMPONENTS, type Component, covers, type Grant, grantsOf, type Permission } from './iam.ts';
import { ACCOUNT, type CfnTemplate, REGION, resolve, resourcesOf } from './intrinsics.ts';

/**
 * One call of the AWS API by one component: what an SDK client sends, not what IAM calls it.
 * `resource` is, for S3, the key (of a listing: its prefix); for TerminateJob and CancelJob, the job's id; else empty.
 */
export interface Call {
  readonly component: Component;
  readonly service: string;
  readonly operation: string;
  readonly resource: string;
}

/** Where the stack's own things are, once deployed. */
export interface Places {
  readonly bucketArn: string;
  readonly jobQueueArn: string;
  readonly jobDefinitionArn: string;
  readonly secretArn: string;
  readonly dropQueueArn: string;
  readonly startQueueArn: string;
}

const definitionName = 'ml-serverless-worker';

export function placesOf(template: CfnTemplate): Places {
  const arnOf = (type: string, attribute = 'Arn') => {
    const [resource] = resourcesOf(template, type);
    return resource ? resolve({ 'Fn::GetAtt': [resource.id, attribute] }, template) : '';
  };
  /** The queue that feeds the function whose logical id begins so. */
  const queueOf = (construct: string) => {
    const mapping = resourcesOf(template, 'AWS::Lambda::EventSourceMapping').find(({ id }) =>
      id.startsWith(construct),
    );
    return mapping ? resolve(mapping.Properties.EventSourceArn, template) : '';
  };
  return {
    bucketArn: arnOf('AWS::S3::Bucket'),
    jobQueueArn: arnOf('AWS::Batch::JobQueue', 'JobQueueArn'),
    jobDefinitionArn: `arn:aws:batch:${REGION}:${ACCOUNT}:job-definition/${definitionName}`,
    secretArn: arnOf('AWS::SecretsManager::Secret'),
    dropQueueArn: queueOf('Drop'),
    startQueueArn: queueOf('Start'),
  };
}

const key = (action: string) => (places: Places, resource: string) => [
  { action, arn: `${places.bucketArn}/${resource}` },
];
const job = (action: string) => (_: Places, resource: string) => [
  { action, arn: `arn:aws:batch:${REGION}:${ACCOUNT}:job/${resource}` },
];
const anything = (action: string) => () => [{ action, arn: '*' }];

/** What IAM asks for each call, from the service authorization reference. Reading needs ListBucket too, to be told 404. */
const NEEDS: Readonly<Record<string, (places: Places, resource: string) => Permission[]>> = {
  's3:GetObject': (places, resource) => [...key('s3:GetObject')(places, resource), list(places)],
  's3:HeadObject': (places, resource) => [...key('s3:GetObject')(places, resource), list(places)],
  's3:PutObject': key('s3:PutObject'),
  's3:CreateMultipartUpload': key('s3:PutObject'),
  's3:UploadPart': key('s3:PutObject'),
  's3:CompleteMultipartUpload': key('s3:PutObject'),
  's3:AbortMultipartUpload': key('s3:AbortMultipartUpload'),
  's3:DeleteObject': key('s3:DeleteObject'),
  's3:ListObjectsV2': (places) => [list(places)],
  'batch:SubmitJob': ({ jobQueueArn, jobDefinitionArn }) =>
    // Both forms of the definition: with a revision and without.
    [jobQueueArn, jobDefinitionArn, `${jobDefinitionArn}:7`].map((arn) => ({
      action: 'batch:SubmitJob',
      arn,
    })),
  'batch:DescribeJobs': anything('batch:DescribeJobs'),
  'batch:ListJobs': anything('batch:ListJobs'),
  'batch:TerminateJob': job('batch:TerminateJob'),
  'batch:CancelJob': job('batch:CancelJob'),
  'sqs:SendMessage': ({ startQueueArn }) => [{ action: 'sqs:SendMessage', arn: startQueueArn }],
  'secrets-manager:GetSecretValue': ({ secretArn }) => [
    { action: 'secretsmanager:GetSecretValue', arn: secretArn },
  ],
};

function list({ bucketArn }: Places): Permission {
  return { action: 's3:ListBucket', arn: bucketArn };
}

/** The permissions one call needs. @throws Error for an operation that is not in the table: look it up and add it */
function permissionsFor(call: Call, places: Places): Permission[] {
  const name = `${call.service}:${call.operation}`;
  const needs = NEEDS[name];
  if (!needs) throw new Error(`${call.component} calls ${name}, which NEEDS does not know`);
  return needs(places, call.resource);
}

/** Every call whose role may not do it, as lines of text. */
export function refusedCalls(template: CfnTemplate, calls: readonly Call[]): string[] {
  const places = placesOf(template);
  const grants = new Map(COMPONENTS.map((component) => [component, grantsOf(template, component)]));
  return calls.flatMap((call) =>
    permissionsFor(call, places)
      .filter((permission) => !grants.get(call.component)?.some((grant) => covers(grant, permission)))
      .map(
        ({ action, arn }) => `${call.component}: ${call.service}:${call.operation} needs ${action} on ${arn}`,
      ),
  );
}

/** Every grant of a component that no call and no need of AWS's own accounts for. */
export function unusedGrants(
  template: CfnTemplate,
  component: Component,
  calls: readonly Call[],
  platform: readonly Permission[],
): Grant[] {
  const places = placesOf(template);
  const needed = calls
    .filter((call) => call.component === component)
    .flatMap((call) => permissionsFor(call, places))
    .concat(platform);
  return grantsOf(template, component).filter(
    (grant) => !needed.some((permission) => covers(grant, permission)),
  );
}
