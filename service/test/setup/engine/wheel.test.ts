import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { layOut, missingTools } from '../../../setup/engine/build-addon.ts';
import { findFile } from '../../../setup/engine/fetch-wheel.ts';
import { destinationOf, unpackWheel } from '../../../setup/engine/unpack-wheel.ts';
import { tfjsNodeFolder } from '../../../setup/engine/wheel-engine.ts';
import { engineKey, wheelFor } from '../../../setup/engine/wheels.ts';
import { root, temporaryFolder } from '../support/folders.ts';
import { zip } from '../support/zip.ts';

const library = Buffer.alloc(400_000, 'library');
const wheelContent = {
  'tensorflow/__init__.py': 'print("not wanted")',
  'tensorflow/libtensorflow_cc.so.2': library,
  'tensorflow/libtensorflow_framework.so.2': 'framework',
  'tensorflow/include/tensorflow/c/c_api.h': '// C API',
  'tensorflow/include/tensorflow/c/eager/c_api.h': '// eager',
  'tensorflow/include/tsl/platform/ctstring_internal.h': '// strings',
  'tensorflow/include/tensorflow/core/platform/ctstring.h': '// strings',
  'tensorflow/include/Eigen/Core': '// not wanted',
};

test('libraries and C headers of a wheel are unpacked where tfjs-node finds them', async (t) => {
  const folder = await temporaryFolder(t);
  const wheel = join(folder, 'a.whl');
  await writeFile(wheel, await zip(wheelContent));
  const reported: Array<readonly [number, number]> = [];
  await unpackWheel(wheel, join(folder, 'out'), (written, total) => reported.push([written, total]));
  const files = await readdir(join(folder, 'out'), { recursive: true, withFileTypes: true });
  assert.deepEqual(
    files
      .filter((each) => each.isFile())
      .map((each) => each.name)
      .sort(),
    [
      'c_api.h',
      'c_api.h',
      'ctstring.h',
      'ctstring_internal.h',
      'libtensorflow_cc.so.2',
      'libtensorflow_framework.so.2',
    ],
  );
  assert.deepEqual(await readFile(join(folder, 'out/deps/lib/libtensorflow_cc.so.2')), library);
  assert.equal(
    await readFile(join(folder, 'out/deps/include/tensorflow/c/eager/c_api.h'), 'utf8'),
    '// eager',
  );
  const [written, total] = reported.at(-1) ?? [0, 1];
  assert.equal(written, total);
});

test('a truncated wheel and one without the libraries are refused', async (t) => {
  const folder = await temporaryFolder(t);
  const wheel = join(folder, 'a.whl');
  const complete = await zip(wheelContent);
  await writeFile(wheel, complete.subarray(0, complete.length - 100));
  await assert.rejects(
    unpackWheel(wheel, join(folder, 'out'), () => {}),
    /is not a readable zip file/,
  );
  const { 'tensorflow/libtensorflow_cc.so.2': _, ...rest } = wheelContent;
  await writeFile(wheel, await zip(rest));
  await assert.rejects(
    unpackWheel(wheel, join(folder, 'out'), () => {}),
    /does not hold libtensorflow_cc$/,
  );
});

test('no path of a wheel leads out of the folder', () => {
  for (const name of [
    'tensorflow/include/tensorflow/c/../../../../../evil.h',
    '../tensorflow/libtensorflow_cc.so.2',
    '/tensorflow/include/tensorflow/c/c_api.h',
  ]) {
    const destination = destinationOf(name);
    assert.ok(destination === undefined || !destination.includes('..'), `${name} -> ${destination}`);
  }
});

test('a wheel is found in an index page of JSON or HTML', () => {
  const wheel = wheelFor('linux', 'x64');
  assert.ok(wheel);
  const links = ['../../files/other.whl', `../../files/${wheel.path}#sha256=${wheel.sha256}`];
  const json = JSON.stringify({ files: links.map((url) => ({ url })) });
  const html = `<!DOCTYPE html>${links.map((url) => `<a href="${url}">x</a><br>`).join('')}`;
  for (const page of [json, html])
    assert.equal(
      findFile(page, 'https://index.example/simple/x/', wheel),
      `https://index.example/files/${wheel.path}`,
    );
  for (const page of ['{"files":[]}', '<html>'])
    assert.throws(() => findFile(page, 'https://i.example/', wheel), /does not list .*: set PIP_INDEX_URL/);
});

test('each platform and each wheel has its own directory', () => {
  const base = { platform: 'linux', arch: 'x64', addonVersion: '4.22.0', origin: 'a' };
  const keys = [
    base,
    { ...base, arch: 'arm64' },
    { ...base, addonVersion: '4.22.1' },
    { ...base, origin: 'b' },
  ].map(engineKey);
  assert.equal(new Set(keys).size, 4);
  assert.equal(engineKey({ ...base }), keys[0]);
  assert.notEqual(wheelFor('linux', 'arm64')?.sha256, wheelFor('linux', 'x64')?.sha256);
  assert.equal(wheelFor('win32', 'x64'), undefined);
});

test('on macOS the addon links the libraries by the names that are in the wheel', async (t) => {
  const folder = await temporaryFolder(t);
  const wheel = join(folder, 'a.whl');
  const libraries = ['libtensorflow_cc.2.dylib', 'libtensorflow_framework.2.dylib'];
  const entries = libraries.map((name) => [`tensorflow/${name}`, library] as const);
  await writeFile(wheel, await zip(Object.fromEntries(entries)));
  const out = join(folder, 'out');
  await unpackWheel(wheel, out, () => {});
  await layOut(tfjsNodeFolder(root), out, 'darwin');
  assert.deepEqual((await readdir(join(out, 'deps/lib'))).sort(), libraries);
  const gyp = await readFile(join(out, 'binding.gyp'), 'utf8');
  for (const name of libraries) {
    assert.ok(gyp.includes(`'<(module_root_dir)/deps/lib/${name}'`), `linked: ${name}`);
    assert.ok(gyp.includes(`"@rpath/${name}"`), `name in the library: ${name}`);
    assert.ok(gyp.includes(`"@loader_path/../../deps/lib/${name}"`), `name in the addon: ${name}`);
  }
  const pinned = wheelFor('darwin', 'arm64');
  assert.match(pinned?.path ?? '', /^tensorflow-2\.15\.1-.*macosx_12_0_arm64\.whl$/);
});

test('missing build tools are named with the command that installs them', async () => {
  const nothing = { PATH: '/nonexistent' };
  assert.match((await missingTools(nothing, 'linux')) ?? '', /^g\+\+, make, python3 missing: .*apt-get/);
  assert.match(
    (await missingTools(nothing, 'darwin')) ?? '',
    /missing: install with `xcode-select --install`$/,
  );
});
