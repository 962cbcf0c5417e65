import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const source = join(root, 'service', 'src');

interface Source {
  /** Relative to service/src, with slashes. */
  readonly path: string;
  readonly text: string;
  /** Files, relative to service/src, and packages. */
  readonly imports: readonly string[];
}

const sources: Source[] = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => {
    const text = readFileSync(join(source, path), 'utf8');
    const specifiers = [...text.matchAll(/(?:from|import|require)\s*\(?\s*'([^']+)'/g)].map(
      ([, name = '']) => name,
    );
    const imports = specifiers.map((name) =>
      name.startsWith('.') ? relative(source, normalize(join(source, dirname(path), name))) : name,
    );
    return { path, text, imports };
  });

/** Every import of a file under `from` that `isForbidden`, as text. */
function offences(from: string, isForbidden: (name: string) => boolean): string[] {
  return sources
    .filter(({ path }) => path.startsWith(from))
    .flatMap(({ path, imports }) => imports.filter(isForbidden).map((name) => `${path} imports ${name}`));
}

const inRoom =
  (...rooms: string[]) =>
  (name: string) =>
    rooms.some((room) => name.startsWith(`${room}/`));

describe('the rooms', () => {
  it('are found at all', () => {
    assert.ok(sources.length > 60);
    assert.ok(sources.some(({ imports }) => imports.includes('domain/errors.ts')));
  });

  it('domain imports nothing but itself, and what is as pure: schemas and hashes', () => {
    const pure = ['typebox', 'typebox/value', 'node:crypto', '../../models/compiler/variants.ts'];
    const isForeign = (name: string) => !name.startsWith('domain/') && !pure.includes(name);
    assert.deepEqual(offences('domain/', isForeign), []);
  });

  it('inference, batch, storage and jobs know nothing of HTTP or of the composition root', () => {
    for (const room of ['inference', 'batch', 'storage', 'jobs']) {
      assert.deepEqual(
        offences(`${room}/`, (name) => inRoom('http')(name) || name === 'services.ts' || name === 'fastify'),
        [],
      );
    }
  });

  it('http never imports an engine', () => {
    assert.deepEqual(offences('http/', inRoom('inference/engines')), []);
  });

  it('batch has no idea of AWS, and its adapters no idea of each other', () => {
    assert.deepEqual(
      offences('batch/', (name) => /^(storage|jobs)\/(?!object-store|job-queue|start-queue)/.test(name)),
      [],
    );
    assert.deepEqual(offences('storage/', inRoom('jobs')), []);
    assert.deepEqual(offences('jobs/', inRoom('storage')), []);
  });

  it('only storage and jobs import an AWS SDK', () => {
    const found = offences('', (name) => name.startsWith('@aws-sdk/')).filter(
      (line) => !/^(storage|jobs)\//.test(line),
    );
    assert.deepEqual(found, []);
  });

  it('each engine is the only importer of its runtime', () => {
    const owners: Record<string, string> = {
      '@tensorflow/tfjs-node': 'inference/engines/tensorflow',
      '@tensorflow/tfjs-backend-wasm': 'inference/engines/wasm.ts',
      'onnxruntime-node': 'inference/engines/onnx.ts',
    };
    for (const [name, owner] of Object.entries(owners)) {
      const isOf = (imported: string) => imported === name || imported.startsWith(`${name}/`);
      const found = offences('', isOf).filter((line) => !line.startsWith(owner));
      assert.deepEqual(
        found.filter((line) => !line.startsWith('setup/')),
        [],
      );
    }
  });

  it('only config.ts reads the environment', () => {
    const readers = sources.filter(({ text }) =>
      /\bprocess\.env\b/.test(text.replace(/\/\/.*|\/\*[\s\S]*?\*\//g, '')),
    );
    assert.deepEqual(
      readers.map(({ path }) => path),
      ['config.ts'],
    );
  });
});
