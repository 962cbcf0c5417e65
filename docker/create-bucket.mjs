// Creates the bucket of STORE=s3://<bucket> on the server at S3_ENDPOINT, once that server responds. Docker Compose runs it
// at each start; it is idempotent.
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateBucketCommand, HeadBucketCommand, S3Client } from '@aws-sdk/client-s3';

const TRIES = 60;
const PAUSE_MS = 500;

const { STORE = '', S3_ENDPOINT: endpoint } = process.env;
const bucket = /^s3:\/\/([^/]+)$/.exec(STORE)?.[1];
if (!bucket || !endpoint) fail('STORE=s3://<bucket> and S3_ENDPOINT have to be set');
const client = new S3Client({ endpoint, forcePathStyle: true, maxAttempts: 1 });

for (let attempt = 1; ; attempt++) {
  try {
    process.stdout.write(`bucket ${bucket} ${await ensureBucket()}\n`);
    break;
  } catch (error) {
    // Retry only while the server starts: invalid credentials do not change.
    const status = error.$metadata?.httpStatusCode;
    if ((status >= 400 && status < 500) || attempt === TRIES)
      fail(`${endpoint}: ${error.name}: ${error.message}`);
    await sleep(PAUSE_MS);
  }
}

async function ensureBucket() {
  try {
    await client.send(new HeadBucketCommand({ Bucket: bucket }));
    return 'is there';
  } catch (error) {
    if (error.$metadata?.httpStatusCode !== 404) throw error;
  }
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
  } catch (error) {
    // Another process created it at the same time.
    if (error.name !== 'BucketAlreadyOwnedByYou') throw error;
  }
  return 'made';
}

function fail(message) {
  process.stderr.write(`cannot make the bucket: ${message}\n`);
  process.exit(1);
}
