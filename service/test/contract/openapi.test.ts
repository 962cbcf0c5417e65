import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import type { Response } from 'supertest';
import { parse } from 'yaml';
import type { App } from '../../src/http/app-type.ts';
import { documentApp } from '../../src/http/openapi/app.ts';
import { openapiYaml } from '../../src/http/openapi/yaml.ts';
import { conformsTo } from '../helpers/conforms.ts';
import { dereference } from '../helpers/dereference.ts';
import { fromRoot } from '../helpers/root.ts';

interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { schema: { format?: string } }>> };
  readonly responses: Readonly<
    Record<string, { description: string; content?: Record<string, { schema: object }> }>
  >;
}

describe('openapi.yaml', () => {
  let app: App;
  let operations: [string, Operation][];

  before(async () => {
    app = await documentApp();
    const { paths } = dereference(parse(openapiYaml(app))) as {
      paths: Record<string, Record<string, Operation>>;
    };
    operations = Object.entries(paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]): [string, Operation] => [
        `${method} ${path}`,
        operation,
      ]),
    );
  });
  after(() => app.close());

  test('is what the routes say today (else: npm run openapi)', async () => {
    assert.equal(await readFile(fromRoot('openapi.yaml'), 'utf8'), openapiYaml(app));
  });

  test('gives every operation a unique id, a summary, a description and a declared tag', () => {
    const ids = operations.map(([, { operationId }]) => operationId);
    assert.equal(new Set(ids).size, ids.length);
    const { tags } = parse(openapiYaml(app)) as { tags: { name: string }[] };
    for (const [name, operation] of operations) {
      assert.ok(operation.operationId && operation.summary && operation.description, name);
      assert.ok(
        tags.some((tag) => operation.tags?.includes(tag.name)),
        `${name} has a tag`,
      );
    }
  });

  test('describes every error of every operation as a problem', () => {
    for (const [name, { responses }] of operations) {
      const errors = Object.entries(responses).filter(([status]) => Number(status) >= 400);
      assert.ok(errors.length >= 2, name);
      for (const [status, { content }] of errors) {
        assert.deepEqual(
          content?.['application/problem+json']?.schema,
          { $ref: '#/components/schemas/Problem' },
          `${name} ${status}`,
        );
      }
    }
  });

  test('shows an example of every JSON body and of every JSON answer of success', () => {
    for (const [name, { operationId, requestBody, responses }] of operations) {
      // The document itself is its own example.
      if (operationId === 'getOpenapi') continue;
      const [answer] = Object.entries(responses).filter(([status]) => status.startsWith('2'));
      for (const content of [requestBody?.content, answer?.[1].content]) {
        const json = content?.['application/json'];
        if (json) assert.ok('example' in json || 'examples' in json, name);
      }
    }
  });

  test('describes image bodies as bytes', () => {
    const predict = operations.find(([name]) => name === 'post /predict')?.[1];
    for (const type of ['image/*', 'application/octet-stream', 'application/jpeg']) {
      assert.equal(predict?.requestBody?.content[type]?.schema.format, 'binary', type);
    }
    assert.ok(predict?.requestBody?.content['multipart/form-data']);
    assert.ok(predict?.requestBody?.content['application/json']);
  });

  test('the check that the other tests put every answer through can fail', () => {
    const check = conformsTo(app);
    const response = (status: number, type: string, body: object) =>
      ({
        status,
        body,
        headers: { 'x-request-id': 'a', 'content-type': type },
        request: { method: 'GET', url: 'http://a/health/live' },
      }) as unknown as Response;
    check(response(200, 'application/json', { status: 'ok' }));
    assert.throws(() => check(response(200, 'application/json', { status: 'no' })));
    assert.throws(() => check(response(200, 'application/json', { status: 'ok', more: 1 })));
    assert.throws(() => check(response(200, 'text/html', {})));
    assert.throws(() => check(response(418, 'application/json', {})));
  });
});
