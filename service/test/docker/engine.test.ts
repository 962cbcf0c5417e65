import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loadConfig } from '../../src/config/config.ts';
import { fromRoot } from '../helpers/root.ts';
import { installWithoutAddon } from '../helpers/without-addon.ts';

/** The environment that docker/Dockerfile gives to every mode. */
const ENVIRONMENT = Object.fromEntries(
  [
    ...readFileSync(fromRoot('docker', 'Dockerfile'), 'utf8').matchAll(/^(?:ENV| {4}) ?([A-Z_]+)=(\S+)/gm),
  ].map(([, name = '', value = '']) => [name, value]),
);

describe('the image without TensorFlow', () => {
  let root = '';
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'no-addon-'));
    installWithoutAddon(root);
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  it('ends at start with one line that says so, and serves on no other engine', async () => {
    assert.equal(ENVIRONMENT.ENGINE, 'tensorflow');
    const { code, stderr } = await new Promise<{ code: unknown; stderr: string }>((done) => {
      const env = {
        PATH: process.env.PATH,
        ENGINE: ENVIRONMENT.ENGINE,
        CACHE_DIR: loadConfig().cacheDir,
        MODELS_DIR: fromRoot('models'),
        STORE: `file:${join(root, 'data')}`,
        HOST: '127.0.0.1',
        PORT: '0',
        LOG_LEVEL: 'silent',
      };
      execFile(
        process.execPath,
        [join(root, 'dist', 'service', 'src', 'entrypoints', 'server.js')],
        { env, cwd: root, timeout: 120_000 },
        (error, _stdout, text) => done({ code: error?.code ?? 0, stderr: text }),
      );
    });
    assert.equal(code, 1, stderr);
    assert.match(stderr.trim(), /^ml-serverless: .*TensorFlow is not available: [^\n]+$/);
  });
});
