import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, it } from 'node:test';
import { root } from '../helpers/root.ts';

/** Each room and the rooms that it may import, from the inside out. Tests may import everything. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  'service/src/domain': [],
  models: ['domain'],
  'service/src/config': ['domain', 'models'],
  'service/src/storage': ['domain'],
  'service/src/jobs': ['domain'],
  'service/src/telemetry': ['domain', 'config', 'jobs'],
  'service/src/inference': ['domain', 'models', 'config', 'telemetry'],
  'service/src/batch': ['domain', 'config', 'storage', 'jobs', 'telemetry'],
  'service/src/http': ['domain', 'models', 'config', 'storage', 'telemetry', 'batch'],
  'service/src/app': ['domain', 'config', 'storage', 'jobs', 'telemetry', 'inference', 'batch', 'http'],
  'service/src/cli': ['domain', 'config', 'inference', 'http'],
  'service/src/entrypoints': [
    ...['domain', 'config', 'jobs', 'telemetry', 'inference', 'batch', 'http', 'app', 'cli'],
  ],
  'service/setup': ['domain', 'models', 'config'],
  'service/accuracy': ['domain', 'models', 'config', 'inference', 'setup'],
  'service/bench': ['domain', 'models', 'config', 'storage', 'jobs', 'inference', 'batch', 'accuracy'],
  'service/client': ['models'],
  infra: ['domain', 'models'],
  docker: ['setup', 'models'],
};

/** The only files of these rooms that other rooms may import, app and bench excepted: the ports, not the adapters. */
const PORTS: Readonly<Record<string, readonly string[]>> = {
  storage: ['object-store.ts'],
  jobs: ['job-queue.ts', 'start-queue.ts'],
};
const SEE_ADAPTERS = ['app', 'bench', 'entrypoints'];

interface Source {
  /** Relative to the root, with slashes. */
  readonly path: string;
  readonly text: string;
  /** Files, relative to the root, and packages. */
  readonly imports: readonly string[];
}

const sources: Source[] = ['service', 'models', 'infra', 'docker']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => `${folder}/${path}`),
  )
  .filter((path) => /\.(ts|mjs)$/.test(path))
  .filter((path) => !/(^|\/)(node_modules|cdk\.out|test|web|template)\//.test(path))
  .map((path) => {
    const text = readFileSync(join(root, path), 'utf8');
    const imports = [...text.matchAll(/(?:from|import|require)\s*\(?\s*'([^']+)'/g)].map(([, name = '']) =>
      name.startsWith('.') ? normalize(join(dirname(path), name)).replace(/^dist\//, '') : name,
    );
    return { path, text, imports };
  });

/** The name of the room of a file: the last part of its folder in ALLOWED. */
const roomOf = (path: string): string | undefined =>
  Object.keys(ALLOWED)
    .find((room) => path.startsWith(`${room}/`))
    ?.replace(/^.*\//, '');

/** Every import that `isForbidden`, as text. */
const offences = (isForbidden: (imported: string, source: Source) => boolean): string[] =>
  sources.flatMap((source) =>
    source.imports
      .filter((imported) => isForbidden(imported, source))
      .map((imported) => `${source.path} imports ${imported}`),
  );

describe('the rooms', () => {
  it('hold every source file', () => {
    assert.ok(sources.length > 250, `${sources.length} files`);
    const outside = sources.filter(({ path }) => roomOf(path) === undefined);
    assert.deepEqual(
      outside.map(({ path }) => path),
      [],
    );
    for (const room of Object.keys(ALLOWED))
      assert.ok(
        sources.some(({ path }) => path.startsWith(`${room}/`)),
        room,
      );
  });

  it('import only the rooms that lie further inside', () => {
    const rooms = Object.keys(ALLOWED).map((room) => room.replace(/^.*\//, ''));
    const forbidden = offences((imported, { path }) => {
      const [from, to] = [roomOf(path), roomOf(imported)];
      const allowed = Object.entries(ALLOWED).find(([room]) => path.startsWith(`${room}/`))?.[1] ?? [];
      return to !== undefined && from !== to && rooms.includes(to) && !allowed.includes(to);
    });
    assert.deepEqual(forbidden, []);
  });

  it('form no cycle', () => {
    const open = new Map(Object.entries(ALLOWED).map(([room, to]) => [room.replace(/^.*\//, ''), to]));
    const visit = (room: string, path: readonly string[]): void => {
      assert.ok(!path.includes(room), `${[...path, room].join(' -> ')}`);
      for (const next of open.get(room) ?? []) visit(next, [...path, room]);
    };
    for (const room of open.keys()) visit(room, []);
  });

  it('see the ports of storage and jobs, not their adapters', () => {
    const forbidden = offences((imported, { path }) => {
      const [from, to] = [roomOf(path) ?? '', roomOf(imported) ?? ''];
      const ports = PORTS[to];
      if (ports === undefined || from === to || SEE_ADAPTERS.includes(from)) return false;
      return !ports.includes(imported.replace(/^.*\//, ''));
    });
    assert.deepEqual(forbidden, []);
  });

  it('leave HTTP to http, and AWS to storage and jobs', () => {
    const inner = ['domain', 'models', 'storage', 'jobs', 'inference', 'batch'];
    assert.deepEqual(
      offences((name, { path }) => name === 'fastify' && inner.includes(roomOf(path) ?? '')),
      [],
    );
    const sdk = offences((name, { path }) => name.startsWith('@aws-sdk/') && path.startsWith('service/src/'));
    assert.deepEqual(
      sdk.filter((line) => !/^service\/src\/(storage|jobs)\//.test(line)),
      [],
    );
  });

  it('leave each runtime to its engine', () => {
    const owners: Record<string, string> = {
      '@tensorflow/tfjs-node': 'tensorflow',
      '@tensorflow/tfjs-backend-wasm': 'wasm.ts',
      'onnxruntime-node': 'onnx.ts',
    };
    for (const [name, owner] of Object.entries(owners)) {
      const found = offences(
        (imported, { path }) =>
          path.startsWith('service/src/') && (imported === name || imported.startsWith(`${name}/`)),
      );
      const prefix = `service/src/inference/engines/runtimes/${owner}`;
      assert.deepEqual(
        found.filter((line) => !line.startsWith(prefix)),
        [],
      );
    }
  });

  it('leave the environment to config', () => {
    const readers = sources.filter(
      ({ path, text }) =>
        path.startsWith('service/src/') &&
        /\bprocess\.env\b/.test(text.replace(/\/\/.*|\/\*[\s\S]*?\*\//g, '')),
    );
    assert.deepEqual(
      readers.map(({ path }) => path).filter((path) => !path.startsWith('service/src/config/')),
      [],
    );
  });
});
