import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { CLIENT_TOOLS, clientToolsMissing, pythonToolsMissing } from '../helpers/client-tools.ts';
import { openRealModels } from '../helpers/real-models.ts';
import { fromRoot } from '../helpers/root.ts';
import { type ServerProcess, spawnServer } from '../helpers/server-process.ts';

const real = await openRealModels();
await real.models?.close();

const SOURCES = fromRoot('service', 'test', 'contract', 'clients');
const PHOTO = [fromRoot('models', 'resnet50', 'samples', 'balloon.jpg'), 'balloon'];
const execute = promisify(execFile);
const run = async (program: string, args: readonly string[], options: object = {}) =>
  (await execute(program, args, { timeout: 240_000, maxBuffer: 16 * 1024 ** 2, ...options })).stdout;

/** The command of docs/clients.md that starts so, with other names in the place of some of its words. */
async function documented(start: string, names: Readonly<Record<string, string>> = {}): Promise<string[]> {
  const text = (await readFile(join('docs', 'clients.md'), 'utf8')).replaceAll(/\\\n\s+/g, '');
  const line = text.split('\n').find((one) => one.startsWith(start));
  assert.ok(line, `docs/clients.md has a command that starts with ${start}`);
  for (const name of Object.keys(names)) assert.ok(line.includes(name), `${line} has ${name}`);
  return line.split(' ').map((word) => names[word] ?? word);
}

/** The program in `language` of docs/clients.md, for the service at `url`. */
async function documentedProgram(language: string, url: string): Promise<string> {
  const text = await readFile(join('docs', 'clients.md'), 'utf8');
  const program = text.split(`\`\`\`${language}\n`)[1]?.split('```')[0] ?? '';
  assert.ok(program.includes('http://localhost:8080'), `docs/clients.md has a program in ${language}`);
  return program.replace('http://localhost:8080', url);
}

/** Every operation of openapi.yaml must be among the transcript's lines with a status of success. */
async function assertAllOperations(transcript: string): Promise<void> {
  const { paths } = parse(await readFile(fromRoot('openapi.yaml'), 'utf8')) as {
    paths: Record<string, object>;
  };
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

  test('the TypeScript client installs as documented and drives every route', {
    skip: clientToolsMissing,
  }, async () => {
    const project = join(folder, 'typescript');
    await mkdir(project);
    const [npm = '', ...words] = await documented('npm run client', {
      '../ml-serverless-client': join(folder, 'ml-serverless-client'),
    });
    await run(npm, words);
    await writeFile(join(project, 'package.json'), '{ "type": "module" }');
    const [, ...install] = await documented('npm install ../ml-serverless-client');
    await run(npm, [...install, '--offline', '--no-audit', '--no-fund'], { cwd: project });

    // The types of Node.js are a matter of the project, not of the client.
    for (const name of ['@types', 'undici-types'])
      await symlink(fromRoot('node_modules', name), join(project, 'node_modules', name), 'junction');
    await copyFile(join(SOURCES, 'drive.mts'), join(project, 'drive.mts'));
    await copyFile(PHOTO[0] ?? '', join(project, 'cat.jpg'));
    await writeFile(join(project, 'example.mts'), await documentedProgram('ts', url));
    const tsc = fromRoot('node_modules', 'typescript', 'bin', 'tsc');
    const flags = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess'];
    const target = ['--target', 'es2023', '--module', 'nodenext', '--lib', 'es2023,dom', '--types', 'node'];
    const compile = [tsc, ...flags, ...target, '--rootDir', '.', 'drive.mts', 'example.mts'];
    await run(process.execPath, compile, { cwd: project }).catch((error: Error & { stdout?: string }) =>
      assert.fail(`the client's types do not fit: ${error.stdout}`),
    );
    const example = await run(process.execPath, ['example.mjs'], { cwd: project });
    assert.match(example, /label: 'balloon'/);
    await assertAllOperations(
      await run(process.execPath, [join(project, 'drive.mjs'), url, ...PHOTO], { cwd: project }),
    );
  });

  test('the Python client installs as documented and drives every route', {
    skip: pythonToolsMissing,
  }, async () => {
    const project = join(folder, 'python');
    await mkdir(project);
    const [java = '', ...words] = await documented('java -jar openapi-generator-cli.jar', {
      'openapi-generator-cli.jar': CLIENT_TOOLS.jar,
      '../ml-serverless-python': join(folder, 'ml-serverless-python'),
    });
    await run(java, words);
    await run('python3', ['-m', 'venv', join(project, 'venv')]);
    const bin = join(project, 'venv', 'bin');
    const [pip = '', ...install] = await documented('pip install');
    const env = { ...process.env, PIP_NO_INDEX: '1', PIP_FIND_LINKS: CLIENT_TOOLS.wheels };
    await run(join(bin, pip), install, { cwd: project, env });

    await copyFile(PHOTO[0] ?? '', join(project, 'cat.jpg'));
    await writeFile(join(project, 'example.py'), await documentedProgram('python', url));
    assert.match(await run(join(bin, 'python'), ['example.py'], { cwd: project }), /^balloon$/m);
    await assertAllOperations(await run(join(bin, 'python'), [join(SOURCES, 'drive.py'), url, ...PHOTO]));
  });
});
