import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One call of an AWS API. `resource` is an S3 key, a listing's prefix or the id of a terminated job, else empty. */
export interface RecordedCall {
  readonly service: 's3' | 'batch' | 'sqs';
  readonly operation: string;
  readonly resource: string;
}

export interface RecordingProxy {
  readonly endpoint: string;
  close(): Promise<void>;
}

/** Forwards requests unchanged, signatures included, and records each. */
export async function startRecordingProxy(
  address: string,
  onCall: (call: RecordedCall) => void,
): Promise<RecordingProxy> {
  const { hostname, port } = new URL(address);
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const body = Buffer.concat(parts);
    const { method = 'GET', url = '/', headers } = request;
    const target = headers['x-amz-target'];
    if (typeof target === 'string') onCall(sqsCall(target));
    else onCall(url.startsWith('/v1/') ? batchCall(url, body) : s3Call(method, url));
    const onward = forward({ host: hostname, port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    onward.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Path-style S3: /bucket/key?query. https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html */
function s3Call(method: string, url: string): RecordedCall {
  const { pathname, searchParams } = new URL(url, 'http://s3');
  const [, , ...segments] = pathname.split('/');
  const key = decodeURIComponent(segments.join('/'));
  const named = (operation: string, resource = key): RecordedCall => ({ service: 's3', operation, resource });
  if (key === '' && method === 'GET') return named('ListObjectsV2', searchParams.get('prefix') ?? '');
  if (method === 'GET') return named('GetObject');
  if (method === 'HEAD') return named('HeadObject');
  if (method === 'DELETE')
    return named(searchParams.has('uploadId') ? 'AbortMultipartUpload' : 'DeleteObject');
  if (method === 'PUT') return named(searchParams.has('partNumber') ? 'UploadPart' : 'PutObject');
  if (searchParams.has('uploads')) return named('CreateMultipartUpload');
  if (searchParams.has('uploadId')) return named('CompleteMultipartUpload');
  return named(`${method} ${url}`);
}

/** `AmazonSQS.SendMessage` */
function sqsCall(target: string): RecordedCall {
  return { service: 'sqs', operation: target.split('.')[1] ?? target, resource: '' };
}

const BATCH_OPERATIONS: Readonly<Record<string, string>> = {
  submitjob: 'SubmitJob',
  describejobs: 'DescribeJobs',
  listjobs: 'ListJobs',
  terminatejob: 'TerminateJob',
  canceljob: 'CancelJob',
};

function batchCall(url: string, body: Buffer): RecordedCall {
  const name = url.slice('/v1/'.length);
  const ends = name === 'terminatejob' || name === 'canceljob';
  const resource = ends ? String(JSON.parse(body.toString()).jobId) : '';
  return { service: 'batch', operation: BATCH_OPERATIONS[name] ?? name, resource };
}
