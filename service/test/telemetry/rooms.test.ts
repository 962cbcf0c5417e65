import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('../../../../service/src', import.meta.url));

test('one file imports OpenTelemetry, and one dynamic import loads it', () => {
  const importers: string[] = [];
  const loaders: string[] = [];
  for (const path of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
    if (!path.endsWith('.ts')) continue;
    const text = readFileSync(join(source, path), 'utf8');
    if (/from '@opentelemetry\//.test(text)) importers.push(path);
    if (/from '[./a-z-]*\/otlp\.ts'/.test(text)) importers.push(`${path} (by the file)`);
    if (/import\('[./a-z-]*\/otlp\.ts'\)/.test(text)) loaders.push(path);
  }
  assert.deepEqual(importers, ['telemetry/otlp.ts']);
  assert.deepEqual(loaders, ['telemetry/create-tracing.ts']);
});
