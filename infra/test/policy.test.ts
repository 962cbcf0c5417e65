import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { type Call, placesOf, refusedCalls, unusedGrants } from './helpers/calls.ts';
import {
  assertAllowed,
  assertRefused,
  COMPONENTS,
  type Component,
  matches,
  type Permission,
} from './helpers/iam.ts';
import { ACCOUNT, type CfnTemplate, REGION } from './helpers/intrinsics.ts';
import { synthTemplate } from './helpers/synth.ts';

const callsOf = (component: Component, calls: Record<string, readonly string[]>): Call[] =>
  Object.entries(calls).flatMap(([name, resources]) => {
    const [service = '', operation = ''] = name.split(':');
    return resources.map((resource) => ({ component, service, operation, resource }));
  });

const JOB = 'jobs/0f3a';
const UPLOAD = 'uploads/0123456789abcdef0123456789abcdef/a.jpg';
const documents = (...names: string[]) => names.map((name) => `${JOB}/${name}.json`);
const ASKED = documents('job', 'planning', 'plan', 'submitted', 'cancelled', 'summary');
const RESULT_FILES = ['results.jsonl.gz', 'results.csv', 'parquet/results.parquet'].map(
  (name) => `${JOB}/${name}`,
);
const REPORT = `${JOB}/report.html`;
const TAKEN_BACK = [
  `${JOB}/job.json`,
  `${JOB}/submitted.json`,
  `${JOB}/summary.json`,
  'jobs/.index/8236-0f3a',
];

/** What each component's code calls, read from the code: storage/s3.ts, jobs/aws-batch.ts and their users in batch/ and http/. */
const TABLE: readonly Call[] = [
  ...callsOf('api', {
    's3:GetObject': [
      'input/a b/ü+%.jpg',
      UPLOAD,
      ...ASKED,
      ...RESULT_FILES,
      REPORT,
      `${JOB}/shards/00000.jsonl`,
      `${JOB}/results/00000-0000.jsonl`,
      `${JOB}/progress/00000.json`,
    ],
    's3:HeadObject': ['input/a.jpg', UPLOAD, ...RESULT_FILES],
    's3:ListObjectsV2': ['input/', 'jobs/.index/', `${JOB}/results/`, `${JOB}/progress/`],
    's3:PutObject': [
      ...documents('job', 'cancelled', 'summary'),
      REPORT,
      'jobs/.index/8236-0f3a',
      `${JOB}/uploads/a.jpg`,
      // By the client, with a presigned URL.
      UPLOAD,
    ],
    's3:CreateMultipartUpload': [`${JOB}/uploads/a.jpg`],
    's3:UploadPart': [`${JOB}/uploads/a.jpg`],
    's3:CompleteMultipartUpload': [`${JOB}/uploads/a.jpg`],
    's3:AbortMultipartUpload': [`${JOB}/uploads/a.jpg`],
    's3:DeleteObject': [`${JOB}/uploads/a.jpg`],
    'sqs:SendMessage': [''],
    'batch:DescribeJobs': [''],
    'batch:TerminateJob': ['6b1c'],
    'secrets-manager:GetSecretValue': [''],
  }),
  ...callsOf('dispatcher', {
    // An output that is there already means that the event was handled before.
    's3:GetObject': [...ASKED, `${JOB}/shards/00000.jsonl`, 'output/a.jpg.json'],
    's3:HeadObject': ['input/a.jpg'],
    's3:PutObject': [...ASKED, `${JOB}/shards/00000.jsonl`, 'jobs/.index/8236-0f3a'],
    's3:DeleteObject': TAKEN_BACK,
    's3:ListObjectsV2': ['jobs/.index/'],
    'batch:SubmitJob': [''],
    'batch:ListJobs': [''],
    'batch:DescribeJobs': [''],
    'batch:TerminateJob': ['6b1c'],
  }),
  ...callsOf('starter', {
    's3:GetObject': [...ASKED, `${JOB}/shards/00000.jsonl`],
    's3:HeadObject': ['input/a.jpg', UPLOAD],
    's3:ListObjectsV2': ['input/'],
    's3:PutObject': [...ASKED, `${JOB}/shards/00000.jsonl`, 'jobs/.index/8236-0f3a'],
    's3:DeleteObject': TAKEN_BACK,
    'sqs:SendMessage': [''],
    'batch:SubmitJob': [''],
    'batch:ListJobs': [''],
    'batch:DescribeJobs': [''],
    'batch:TerminateJob': ['6b1c'],
  }),
  ...callsOf('worker', {
    's3:GetObject': [
      'input/a.jpg',
      UPLOAD,
      ...documents('job', 'plan'),
      REPORT,
      `${JOB}/shards/00000.jsonl`,
      `${JOB}/results/00000-0000.jsonl`,
      `${JOB}/uploads/a.jpg`,
    ],
    's3:HeadObject': ['input/a.jpg', UPLOAD, ...RESULT_FILES],
    's3:ListObjectsV2': [`${JOB}/results/`, `${JOB}/chunks/00000-`, `${JOB}/done/`],
    's3:PutObject': [
      'output/a.jpg.json',
      `${JOB}/outputs/a.jpg.json`,
      `${JOB}/results/00000-0000.jsonl`,
      `${JOB}/progress/00000.json`,
      `${JOB}/chunks/00000-0000.99.1`,
      `${JOB}/done/00000.99.1`,
      ...RESULT_FILES,
      REPORT,
    ],
    's3:CreateMultipartUpload': RESULT_FILES,
    's3:UploadPart': RESULT_FILES,
    's3:CompleteMultipartUpload': RESULT_FILES,
    's3:AbortMultipartUpload': RESULT_FILES,
  }),
];

describe('the policies', () => {
  let template: CfnTemplate;
  before(() => {
    template = synthTemplate();
  });

  /** What Lambda and Fargate themselves do under these roles. */
  const platformNeeds = (component: Component): Permission[] => {
    const logs = ['logs:CreateLogStream', 'logs:PutLogEvents'].map((action) => ({
      action,
      arn: ownLog(template, component),
    }));
    if (component === 'api') return logs;
    if (component === 'worker') return [];
    if (component === 'dispatcher' || component === 'starter') {
      const poll = [
        'ReceiveMessage',
        'DeleteMessage',
        'ChangeMessageVisibility',
        'GetQueueAttributes',
        'GetQueueUrl',
      ];
      const { dropQueueArn, startQueueArn } = placesOf(template);
      const arn = component === 'dispatcher' ? dropQueueArn : startQueueArn;
      return [...logs, ...poll.map((name) => ({ action: `sqs:${name}`, arn }))];
    }
    const pull = ['BatchCheckLayerAvailability', 'GetDownloadUrlForLayer', 'BatchGetImage'];
    const repository = `arn:aws:ecr:${REGION}:${ACCOUNT}:repository/ml-serverless`;
    return [
      ...logs,
      ...pull.map((name) => ({ action: `ecr:${name}`, arn: repository })),
      { action: 'ecr:GetAuthorizationToken', arn: '*' },
    ];
  };

  it('let each component do what its code calls', () => {
    assert.deepEqual(refusedCalls(template, TABLE), []);
  });

  for (const component of COMPONENTS) {
    it(`give ${component} nothing that it does not use`, () => {
      assert.deepEqual(unusedGrants(template, component, TABLE, platformNeeds(component)), []);
    });
  }

  it('keep a worker, which decodes pictures of strangers, from changing what was dropped, asked or queued', () => {
    const { bucketArn, jobQueueArn, secretArn } = placesOf(template);
    assertAllowed(template, 'worker', 's3:PutObject', `${bucketArn}/output/a.jpg.json`);
    assertRefused(template, 'worker', 's3:PutObject', `${bucketArn}/input/a.jpg`);
    assertRefused(template, 'worker', 's3:PutObject', `${bucketArn}/${UPLOAD}`);
    assertRefused(template, 'worker', 's3:PutObject', `${bucketArn}/${JOB}/job.json`);
    assertRefused(template, 'worker', 's3:DeleteObject', `${bucketArn}/output/a.jpg.json`);
    assertRefused(template, 'worker', 'batch:SubmitJob', jobQueueArn);
    assertRefused(template, 'worker', 'secretsmanager:GetSecretValue', secretArn);
  });

  it('keep API, dispatcher and starter from pictures and results, which are not theirs', () => {
    const { bucketArn, jobQueueArn, secretArn } = placesOf(template);
    // A request records a job; only what plans it submits it.
    assertRefused(template, 'api', 'batch:SubmitJob', jobQueueArn);
    for (const component of ['api', 'dispatcher', 'starter'] as const) {
      for (const key of ['input/a.jpg', 'output/a.jpg.json']) {
        assertRefused(template, component, 's3:PutObject', `${bucketArn}/${key}`);
        assertRefused(template, component, 's3:DeleteObject', `${bucketArn}/${key}`);
      }
    }
    for (const component of ['dispatcher', 'starter'] as const)
      assertRefused(template, component, 'secretsmanager:GetSecretValue', secretArn);
  });

  it('let nobody touch other buckets, queues, secrets or roles', () => {
    const foreign: [string, string][] = [
      ['s3:GetObject', 'arn:aws:s3:::somebody-elses-bucket/input/a.jpg'],
      ['s3:ListBucket', 'arn:aws:s3:::somebody-elses-bucket'],
      ['batch:SubmitJob', `arn:aws:batch:${REGION}:${ACCOUNT}:job-queue/other`],
      ['batch:SubmitJob', `arn:aws:batch:${REGION}:${ACCOUNT}:job-definition/other:1`],
      ['secretsmanager:GetSecretValue', `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:other-AbCdEf`],
      ['iam:PassRole', `arn:aws:iam::${ACCOUNT}:role/any`],
      ['s3:PutBucketPolicy', placesOf(template).bucketArn],
    ];
    for (const component of COMPONENTS) {
      for (const [action, arn] of foreign) assertRefused(template, component, action, arn);
    }
  });

  it('in a private network differ by network interfaces only', () => {
    const closed = synthTemplate({ network: 'private' });
    assert.deepEqual(refusedCalls(closed, TABLE), []);
    const extra = unusedGrants(closed, 'api', TABLE, platformNeeds('api')).map(({ action }) => action);
    assert.ok(extra.length > 0 && extra.every((action) => action.startsWith('ec2:')), extra.join());
  });

  it('are read by a matcher that knows the wildcards of IAM', () => {
    assert.equal(
      matches('arn:aws:s3:::b/jobs/*/results/*', 'arn:aws:s3:::b/jobs/x/results/00000-0000.jsonl'),
      true,
    );
    assert.equal(matches('arn:aws:s3:::b/input/*', 'arn:aws:s3:::b/input/a\nb.jpg'), true);
    assert.equal(matches('arn:aws:s3:::b/input/*', 'arn:aws:s3:::b/inputs/a.jpg'), false);
    assert.equal(matches('arn:aws:s3:::b.c', 'arn:aws:s3:::bxc'), false);
    assert.equal(matches('job/?', 'job/ab'), false);
  });
});

function ownLog(template: CfnTemplate, component: Component): string {
  const prefixes = {
    api: 'AppLogs',
    dispatcher: 'DropLogs',
    starter: 'StartLogs',
    worker: '',
    'task-start': 'WorkersLogs',
  };
  const prefix = prefixes[component];
  const id = Object.keys(template.Resources).find((name) => prefix !== '' && name.startsWith(prefix));
  return `arn:aws:logs:${REGION}:${ACCOUNT}:log-group:${id}:*`;
}
