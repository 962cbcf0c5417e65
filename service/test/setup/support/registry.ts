import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import type { Manifest } from '../../../../models/manifest.ts';

const sha256 = (data: Uint8Array | string) => createHash('sha256').update(data).digest('hex');

/** Files of the package that the tests fetch; `unwanted.txt` is in it too. */
const FILES: Readonly<Record<string, string>> = {
  'net/model.json': '{"a model":1}',
  'net/shard1.bin': 'weights'.repeat(5000),
  'labels.json': '["cat","dog"]',
};

export interface Registry {
  readonly url: string;
  readonly manifest: Manifest;
  /** How often the tarball was asked for. */
  readonly downloads: () => number;
  /** Replaces how the tarball is sent, to break it in a chosen way. */
  sendTarball: (response: ServerResponse, tarball: Buffer) => void;
}

let packed: Promise<Buffer> | undefined;

/** The package as `npm pack` makes it; once for all tests of a file. */
async function packOnce(folder: string): Promise<Buffer> {
  const source = join(folder, 'registry');
  for (const [path, text] of Object.entries({ ...FILES, 'unwanted.txt': 'not a model file' })) {
    await mkdir(dirname(join(source, path)), { recursive: true });
    await writeFile(join(source, path), text);
  }
  await writeFile(join(source, 'package.json'), JSON.stringify({ name: 'tiny-model', version: '1.2.3' }));
  await promisify(execFile)('npm', ['pack', '--silent', '--cache', join(folder, 'npm')], { cwd: source });
  return readFile(join(source, 'tiny-model-1.2.3.tgz'));
}

/** A small npm registry on 127.0.0.1 with one real package in it, made by `npm pack`. */
export async function startRegistry(test: TestContext, folder: string): Promise<Registry> {
  packed ??= packOnce(folder);
  const tarball = await packed;
  const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;

  let downloads = 0;
  const server = createServer((request, response) => {
    if (request.url?.endsWith('.tgz')) {
      downloads += 1;
      registry.sendTarball(response, tarball);
      return;
    }
    const version = {
      name: 'tiny-model',
      version: '1.2.3',
      dist: { integrity, tarball: `${registry.url}tiny-model/-/tiny-model-1.2.3.tgz` },
    };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ name: 'tiny-model', 'dist-tags': {}, versions: { '1.2.3': version } }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const registry: Registry = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    downloads: () => downloads,
    sendTarball: (response, data) => void response.end(data),
    manifest: manifestOf(integrity),
  };
  return registry;
}

function manifestOf(integrity: string): Manifest {
  return {
    schemaVersion: 1,
    name: 'tiny',
    version: '1.2.3',
    task: 'image-classification',
    description: 'a model for tests of set-up',
    licence: 'MIT',
    engine: 'tensorflow',
    format: 'tfjs-layers',
    source: {
      npm: 'tiny-model@1.2.3',
      integrity,
      files: Object.entries(FILES).map(([path, text]) => ({
        path,
        bytes: text.length,
        sha256: sha256(text),
      })),
    },
    entry: 'net/model.json',
    input: {
      kind: 'image',
      height: 8,
      width: 8,
      channels: 'RGB',
      resize: { mode: 'squash' },
      crop: 'center',
      scale: 1,
      mean: [0, 0, 0],
      std: [1, 1, 1],
      layout: 'NHWC',
    },
    output: { activation: 'softmax', classes: 2, labels: 'labels.json' },
    metrics: {},
  };
}
