import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import type { App } from '../../src/http/app-type.ts';
import { documentApp } from '../../src/http/openapi/app.ts';
import { shareComponents } from '../../src/http/openapi/components.ts';
import { dereference } from '../helpers/dereference.ts';
import { fromRoot } from '../helpers/root.ts';

type Body = { content?: Record<string, { examples?: Record<string, unknown> }> };
interface Operation {
  parameters?: unknown[];
  requestBody?: Body;
  responses: Record<string, Body & { headers?: Record<string, unknown> }>;
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: Record<string, Record<string, unknown>>;
}

const MAX_LINES = 2600;

/** Every part of the operations by its place, such as `get /models 503 header Retry-After`. */
function partsOf(document: unknown): Map<string, unknown> {
  const parts = new Map<string, unknown>();
  const addBody = (place: string, { content = {} }: Body) => {
    for (const [type, media] of Object.entries(content)) {
      parts.set(`${place} ${type}`, media);
      for (const [name, example] of Object.entries(media.examples ?? {}))
        parts.set(`${place} ${type} example ${name}`, example);
    }
  };
  for (const [path, item] of Object.entries((document as Document).paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const place = `${method} ${path}`;
      parts.set(place, operation);
      for (const [index, parameter] of (operation.parameters ?? []).entries())
        parts.set(`${place} parameter ${index}`, parameter);
      addBody(`${place} request`, operation.requestBody ?? {});
      for (const [status, response] of Object.entries(operation.responses)) {
        parts.set(`${place} ${status}`, response);
        addBody(`${place} ${status}`, response);
        for (const [name, header] of Object.entries(response.headers ?? {}))
          parts.set(`${place} ${status} header ${name}`, header);
      }
    }
  }
  return parts;
}

describe('components of openapi.yaml', () => {
  let app: App;
  let whole: Document;
  let shared: Document;

  before(async () => {
    app = await documentApp();
    whole = JSON.parse(JSON.stringify(app.swagger()));
    shared = parse(await readFile(fromRoot('openapi.yaml'), 'utf8'));
  });
  after(() => app.close());

  test('the document loses no operation, status, header or example to components', () => {
    const wanted = partsOf(whole);
    const actual = partsOf(dereference(shared));
    assert.ok(wanted.size > 500, `${wanted.size} parts`);
    assert.deepEqual([...actual.keys()], [...wanted.keys()]);
    for (const [place, part] of wanted) assert.deepEqual(actual.get(place), part, place);
    assert.deepEqual(dereference(shared), whole);
  });

  test('openapi.yaml has fewer than 2,600 lines', async () => {
    const lines = (await readFile(fromRoot('openapi.yaml'), 'utf8')).trimEnd().split('\n').length;
    assert.ok(lines < MAX_LINES, `${lines} lines`);
  });

  test('/openapi.json, /docs/json and /docs/yaml serve the document of openapi.yaml', async () => {
    for (const url of ['/openapi.json', '/docs/json', '/docs/yaml']) {
      const { statusCode, body } = await app.inject(url);
      assert.equal(statusCode, 200, url);
      assert.deepEqual(parse(body), shared, url);
    }
  });

  test('no response, header, parameter or example occurs twice outside the components', () => {
    const inline = new Map<string, string>();
    for (const [place, part] of partsOf(shared)) {
      if (!/ (header|example|parameter) \S+$| [45]\d\d$/.test(place)) continue;
      const text = JSON.stringify(part);
      if (text.startsWith('{"$ref"')) continue;
      assert.equal(inline.get(text), undefined, place);
      inline.set(text, place);
    }
  });

  test('values with one name and different contents become different components', () => {
    const operation = (description: string) => ({
      parameters: [{ name: 'id', in: 'path', description }],
      responses: {},
    });
    const document = {
      paths: {
        '/a': { get: operation('A'), put: operation('A') },
        '/b': { get: operation('B'), put: operation('B') },
      },
      components: { schemas: {}, securitySchemes: {} },
    };
    const before = structuredClone(document);
    const result = shareComponents(document) as unknown as Document;
    assert.deepEqual(document, before);
    assert.deepEqual(Object.keys(result.components.parameters ?? {}), ['id', 'id2']);
    assert.deepEqual(dereference(result), document);
  });
});
