import assert from 'node:assert/strict';
import type { Response } from 'supertest';
import { Compile } from 'typebox/compile';
import type { App } from '../../src/http/app-type.ts';

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}
interface Operation {
  readonly responses: Readonly<
    Record<
      string,
      {
        headers?: Readonly<Record<string, { required?: boolean }>>;
        content?: Readonly<Record<string, { schema: object }>>;
      }
    >
  >;
}

/** Statuses that any path can have before a route is found. */
const ROUTELESS = [400, 403, 404, 405];

/**
 * Checks a response against the OpenAPI document: status, content type, shape (undocumented members are errors), and
 * the headers that every response has.
 */
export function conformsTo(app: App): (response: Response) => void {
  return (response) => {
    const { method, url } = (response as unknown as { request: { method: string; url: string } }).request;
    const what = `${method} ${url} -> ${response.status}`;
    assert.ok(response.headers['x-request-id'], `${what} has no x-request-id`);
    const type = (response.headers['content-type'] ?? '').split(';', 1)[0] as string;
    const document = app.swagger() as unknown as Document;
    const operation = operationOf(document, method, new URL(url).pathname);
    const documented = operation?.responses[response.status];
    if (!documented) {
      if (!operation && response.status < 400) return;
      assert.ok(!operation && ROUTELESS.includes(response.status), `${what} is not in the document`);
      assert.equal(type, 'application/problem+json', what);
      checkShape({ $ref: '#/components/schemas/Problem' }, response.body, document, what);
      return;
    }
    for (const [name, { required }] of Object.entries(documented.headers ?? {}))
      if (required) assert.ok(response.headers[name.toLowerCase()], `${what} has no ${name}`);
    if (!documented.content) {
      assert.equal(type, '', `${what} has a body, which is not in the document`);
      return;
    }
    const media = documented.content[type];
    assert.ok(media, `${what} has type ${type}, which is not in the document`);
    if (type.endsWith('json') && method !== 'HEAD') checkShape(media.schema, response.body, document, what);
  };
}

function operationOf(document: Document, method: string, path: string): Operation | undefined {
  for (const [template, item] of Object.entries(document.paths)) {
    if (new RegExp(`^${template.replace(/\{[^}]+\}/g, '[^/]+').replace('.json', '\\.json')}$`).test(path)) {
      return item[method.toLowerCase()];
    }
  }
  return undefined;
}

function checkShape(schema: object, value: unknown, document: Document, what: string): void {
  const check = Compile(strict(schema, document) as never);
  const [error] = check.Errors(value);
  assert.equal(
    error && `${error.instancePath} ${error.message}`,
    undefined,
    `${what}: ${JSON.stringify(value)}`,
  );
}

/** The schema with references resolved, and closed: an undocumented member is an error. */
function strict(schema: unknown, document: Document): unknown {
  if (Array.isArray(schema)) return schema.map((item) => strict(item, document));
  if (typeof schema !== 'object' || schema === null) return schema;
  const { $ref, example, examples, ...rest } = schema as Record<string, unknown>;
  if (typeof $ref === 'string') {
    return strict(document.components.schemas[$ref.replace('#/components/schemas/', '')], document);
  }
  const copy = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, strict(value, document)]));
  return 'properties' in copy ? { additionalProperties: false, ...copy } : copy;
}
