// Drives a running service with the generated client: node drive.mjs <url> <photograph> <label>.
// It is compiled against the client by clients.slow.test.ts, so that a wrong type fails as well as a wrong answer.
import assert from 'node:assert/strict';
import { openAsBlob } from 'node:fs';
import { createClient, type Problem } from 'ml-serverless-client';

const [baseUrl = '', file = '', label = ''] = process.argv.slice(2);
const client = createClient({ baseUrl, headers: { 'x-request-id': 'typescript-client' } });
client.use({
  onResponse({ request, schemaPath, response }) {
    console.log(`${request.method} ${schemaPath} ${response.status}`);
  },
});

const photo = await openAsBlob(file, { type: 'image/jpeg' });
const base64 = Buffer.from(await photo.arrayBuffer()).toString('base64');

/** The data of an answer that must be one. */
function data<T>({ data, error }: { data?: T; error?: unknown }): T {
  assert.equal(error, undefined);
  assert.ok(data !== undefined);
  return data;
}

/** The label of the likeliest class of an image's or a row's prediction. */
function first(
  answer: string | { results: object[] } | { predictions: ({ label: string } | { value: number })[] },
): string {
  assert.ok(typeof answer !== 'string' && 'predictions' in answer);
  const [prediction] = answer.predictions;
  assert.ok(prediction && 'label' in prediction);
  return prediction.label;
}

// One image: as a form, as bytes, as JSON.
const form = data(await client.POST('/predict', { params: { query: { topK: 3 } }, body: { image: photo } }));
assert.ok('predictions' in form && form.predictions.length === 3);
const fields = data(await client.POST('/predict', { body: { image: photo, topK: 2 } }));
assert.ok('predictions' in fields && fields.predictions.length === 2);
const headers = { 'Content-Type': photo.type };
const raw = data(await client.POST('/predict', { body: photo, headers }));
const json = data(await client.POST('/predict', { body: { image: base64 } }));
for (const answer of [form, fields, raw, json]) assert.equal(first(answer), label);
const several = data(await client.POST('/predict', { body: { images: [base64, 'AAAA'] } }));
assert.ok('results' in several);
const [named, failed] = several.results;
assert.equal(named?.predictions?.[0]?.label, label);
assert.equal(failed?.error?.code, 'UNREADABLE_IMAGE');

const why = data(
  await client.POST('/explain', { body: { image: photo }, params: { query: { format: 'json' } } }),
);
assert.ok('grid' in why && why.prediction.label === label);
const map = await client.POST('/explain', {
  body: photo,
  headers,
  params: { query: { format: 'png' } },
  parseAs: 'blob',
});
assert.equal(data(map).type, 'image/png');

// The containers' contracts.
assert.equal(first(data(await client.POST('/invocations', { body: { image: photo } }))), label);
const lines = await client.POST('/invocations', {
  body: `${JSON.stringify({ image: base64 })}\n`,
  headers: { 'Content-Type': 'application/jsonlines' },
  parseAs: 'text',
});
assert.match(data(lines), new RegExp(label));
assert.equal(data(await client.GET('/ping')).status, 'ok');
assert.ok(data(await client.GET('/execution-parameters')).MaxPayloadInMB >= 1);

const { models } = data(await client.GET('/models'));
const [model] = models;
assert.ok(model);
const path = { name: model.name, version: model.version };
assert.ok(data(await client.GET('/models/{name}', { params: { path } })).labels?.length);
const tensors = { inputs: [{ name: 'image', datatype: 'BYTES', shape: [1], data: [base64] }] };
const inferred = data(await client.POST('/v2/models/{name}/infer', { params: { path }, body: tensors }));
assert.equal(inferred.outputs.find(({ name }) => name === 'label')?.data.flat()[0], label);
data(await client.POST('/v2/models/{name}/versions/{version}/infer', { params: { path }, body: tensors }));
assert.equal(data(await client.GET('/v2/models/{name}', { params: { path } })).name, model.name);
assert.ok(data(await client.GET('/v2/models/{name}/ready', { params: { path } })).ready);
data(await client.GET('/v2/models/{name}/versions/{version}', { params: { path } }));
data(await client.GET('/v2/models/{name}/versions/{version}/ready', { params: { path } }));
assert.ok(data(await client.GET('/v2')).name);
assert.ok(data(await client.GET('/v2/health/live')).live);
assert.ok(data(await client.GET('/v2/health/ready')).ready);

// Many images: two files of a form, one of them no image.
const files = [photo, new Blob(['not an image'])];
const job = data(await client.POST('/batch', { body: { topK: 1, files } }));
const ofJob = { params: { path: { jobId: job.jobId } } };
let status = job;
for (let n = 0; n < 600 && ['SUBMITTED', 'RUNNING'].includes(status.status); n++) {
  await new Promise((wake) => setTimeout(wake, 200));
  status = data(await client.GET('/batch/{jobId}', ofJob));
}
assert.equal(status.status, 'PARTIAL');
assert.deepEqual([status.counts.succeeded, status.counts.failed], [1, 1]);
const rows = data(await client.GET('/batch/{jobId}/results', { ...ofJob, parseAs: 'text' }));
assert.deepEqual(
  rows
    .trim()
    .split('\n')
    .map((row) => (JSON.parse(row) as { error?: object }).error !== undefined)
    .sort(),
  [false, true],
);
assert.match(data(await client.GET('/batch/{jobId}/report', { ...ofJob, parseAs: 'text' })), /<html/);
const [good] = rows.split('\n').filter((row) => row.includes('predictions'));
const query = { key: (JSON.parse(good ?? '') as { key: string }).key };
const ofImage = { params: { ...ofJob.params, query }, parseAs: 'blob' } as const;
assert.ok((data(await client.GET('/batch/{jobId}/thumbnail', ofImage)) as unknown as Blob).size > 0);
assert.ok(data(await client.GET('/batch')).jobs.some(({ jobId }) => jobId === job.jobId));
const other = data(await client.POST('/batch', { body: { objects: ['input/not-there.jpg'] } }));
data(await client.DELETE('/batch/{jobId}', { params: { path: { jobId: other.jobId } } }));

const upload = data(await client.POST('/uploads', { body: { size: photo.size, type: 'image/jpeg' } }));
const put = { method: 'PUT', headers: upload.headers, body: photo };
assert.ok((await fetch(new URL(upload.url, baseUrl), put)).ok);
assert.equal(first(data(await client.POST('/predict', { body: { object: upload.key } }))), label);

const plan = data(await client.GET('/plan', { params: { query: { images: 1000 } } }));
assert.ok(plan.estimates.every(({ seconds, arithmetic }) => seconds > 0 && arithmetic.length > 0));

assert.equal(data(await client.GET('/health/live')).status, 'ok');
assert.equal(data(await client.GET('/health')).status, 'ready');
assert.match(data(await client.GET('/version')).version, /^\d+\./);
assert.equal(data(await client.GET('/health/ready')).status, 'ready');
assert.match(data(await client.GET('/metrics', { parseAs: 'text' })), /^# HELP/);
assert.ok('paths' in data(await client.GET('/openapi.json')));

// A refusal arrives as a typed problem, not as an exception.
const { error, response } = await client.POST('/predict', {
  params: { query: { topK: 101 } },
  body: photo,
  headers,
});
const problem: Problem | undefined = error;
assert.deepEqual(
  [response.status, problem?.code, problem?.requestId],
  [400, 'INVALID_REQUEST', 'typescript-client'],
);
