import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { CLIENT_TOOLS, clientToolsMissing, pythonToolsMissing } from '../helpers/client-tools.ts';
import { openRealModels } from '../helpers/real-models.ts';
import { type ServerProcess, spawnServer } from '../helpers/server-process.ts';

const real = await openRealModels();
await real.models?.close();

const SOURCES = resolve('service', 'test', 'contract', 'clients');
const PHOTO = [resolve('models', 'resnet50', 'samples', 'balloon.jpg'), 'balloon'];
const execute = promisify(execFile);
const run = async (program: string, args: readonly string[], options: object = {}) =>
  (await execute(program, args, { timeout: 240_000, maxBuffer: 16 * 1024 ** 2, ...options })).stdout;

/** The command of docs/clients.md that starts so, with other names in the place of some of its words. */
async function documented(start: string, names: Readonly<Record<string, string>>): Promise<string[]> {
  const text = (await readFile(join('docs', 'clients.md'), 'utf8')).replaceAll(/\\\n\s+/g, '');
  const line = text.split('\n').find((one) => one.startsWith(start));
  assert.ok(line, `docs/clients.md has a command that starts with ${start}`);
  for (const name of Object.keys(names)) assert.ok(line.includes(name), `${line} has ${name}`);
  return line.split(' ').map((word) => names[word] ?? word);
}

/** Every operation of openapi.yaml must be among the transcript's lines with a status of success. */
async function assertAllOperations(transcript: string): Promise<void> {
  const { paths } = parse(await readFile('openapi.yaml', 'utf8')) as { paths: Record<string, object> };
  const wanted = Object.entries(paths).flatMap(([path, item]) =>
    Object.keys(item).map((method): [string, RegExp] => {
      const pattern = path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/ ]+');
      return [`${method} ${path}`, new RegExp(`^${method} ${pattern} 2\\d\\d$`, 'im')];
    }),
  );
  assert.ok(wanted.length > 20);
  assert.deepEqual(
    wanted.filter(([, pattern]) => !pattern.test(transcript)).map(([name]) => name),
    [],
    transcript,
  );
}

describe('clients generated from openapi.yaml', { skip: real.missing }, () => {
  let server: ServerProcess;
  let url: string;
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'clients-'));
    server = spawnServer();
    url = await server.url;
  });
  after(async () => {
    server.child.kill('SIGKILL');
    await server.exit;
    await rm(folder, { recursive: true, force: true });
  });

  test('the TypeScript client compiles under strict rules and drives every route', {
    skip: clientToolsMissing,
  }, async () => {
    const project = join(folder, 'typescript');
    const modules = join(project, 'node_modules');
    await mkdir(modules, { recursive: true });
    const out = join(modules, 'ml-serverless-client');
    const [npm = '', ...words] = await documented('npm run client', { '../ml-serverless-client': out });
    await run(npm, words);

    // What npm install would bring, from where it lies already.
    await symlink(
      join(CLIENT_TOOLS.folder, 'node_modules', 'openapi-fetch'),
      join(modules, 'openapi-fetch'),
      'junction',
    );
    for (const name of ['@types', 'undici-types']) {
      await symlink(resolve('node_modules', name), join(modules, name), 'junction');
    }
    await writeFile(join(project, 'package.json'), '{ "type": "module" }');
    await copyFile(join(SOURCES, 'drive.mts'), join(project, 'drive.mts'));
    const tsc = resolve('node_modules', 'typescript', 'bin', 'tsc');
    const flags = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess'];
    const target = ['--target', 'es2023', '--module', 'nodenext', '--lib', 'es2023,dom', '--types', 'node'];
    const compile = [tsc, ...flags, ...target, '--rootDir', '.', 'drive.mts'];
    await run(process.execPath, compile, { cwd: project }).catch((error: Error & { stdout?: string }) =>
      assert.fail(`the client's types do not fit: ${error.stdout}`),
    );
    await assertAllOperations(
      await run(process.execPath, [join(project, 'drive.mjs'), url, ...PHOTO], { cwd: project }),
    );
  });

  test('the Python client drives every route', { skip: pythonToolsMissing }, async () => {
    const out = join(folder, 'python');
    const [java = '', ...words] = await documented('java -jar openapi-generator-cli.jar', {
      'openapi-generator-cli.jar': CLIENT_TOOLS.jar,
      '../ml-serverless-python': out,
    });
    await run(java, words);
    const env = { ...process.env, PYTHONPATH: out, PYTHONDONTWRITEBYTECODE: '1' };
    await assertAllOperations(
      await run(CLIENT_TOOLS.python, [join(SOURCES, 'drive.py'), url, ...PHOTO], { env }),
    );
  });
});
