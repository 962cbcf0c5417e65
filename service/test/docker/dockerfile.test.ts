import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { fromRoot } from '../helpers/root.ts';

interface Instruction {
  readonly name: string;
  readonly text: string;
  readonly stage: string;
}

/** The instructions of a Dockerfile, continued lines joined, comments left out. */
function parse(source: string): Instruction[] {
  const lines = source
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('#'))
    .join('\n')
    .replaceAll(/\s*\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '');
  let stage = '';
  return lines.map((line) => {
    const [, name = '', text = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    assert.notEqual(name, '', `an instruction in capitals begins the line: ${line}`);
    if (name === 'FROM') stage = / AS (\S+)$/.exec(text)?.[1] ?? '';
    return { name, text, stage };
  });
}

const instructions = parse(readFileSync(fromRoot('docker', 'Dockerfile'), 'utf8'));
const all = (name: string, stage?: string) =>
  instructions
    .filter((each) => each.name === name && (stage === undefined || each.stage === stage))
    .map(({ text }) => text);

/** Paths that COPY takes from the build context, each with the stage. */
const copied = instructions
  .filter(({ name, text }) => name === 'COPY' && !text.includes('--from='))
  .flatMap(({ text, stage }) =>
    text
      .split(/\s+/)
      .slice(0, -1)
      .map((path) => ({ path, stage })),
  );

describe('docker/Dockerfile', () => {
  it('takes its base by digest', () => {
    assert.match(all('ARG')[0] ?? '', /^NODE_IMAGE=node:\d+\.\d+\.\d+-bookworm-slim@sha256:[0-9a-f]{64}$/);
  });

  it('begins every stage from that base or from another stage', () => {
    const stages = new Set(['$' + '{NODE_IMAGE}']);
    for (const text of all('FROM')) {
      const [, from = '', name = ''] = /^(\S+) AS (\S+)$/.exec(text) ?? [];
      assert.ok(stages.has(from), `FROM ${text}`);
      stages.add(name);
    }
  });

  it('copies only from stages that are there', () => {
    const stages = new Set(instructions.map(({ stage }) => stage));
    for (const { text } of instructions)
      for (const [, from = ''] of text.matchAll(/(?:--from=|,from=)([^\s,]+)/g))
        assert.ok(stages.has(from), text);
  });

  it('copies only paths that exist, and never the whole folder', () => {
    assert.ok(copied.length > 10);
    for (const { path } of copied) {
      assert.notEqual(path, '.');
      assert.ok(existsSync(fromRoot(path)), path);
    }
  });

  it('keeps sources that change often away from the stages that are slow', () => {
    const slow = copied.filter(({ stage }) => ['tools', 'ric', 'deps', 'engine', 'modules'].includes(stage));
    for (const { path } of slow) {
      if (!path.startsWith('service/')) continue;
      assert.match(
        path,
        /^service\/setup\/([a-z-]+\.ts|progress\.mjs|engine|bootstrap\/bundle\.mjs)$/,
        `${path} would rebuild the engine`,
      );
    }
  });

  it('copies what changes with the code last', () => {
    const runtime = all('COPY', 'runtime');
    assert.match(runtime.at(-1) ?? '', /^--from=build /);
  });

  it('fetches nothing with ADD, and installs packages reproducibly', () => {
    assert.deepEqual(all('ADD'), []);
    for (const text of all('RUN')) {
      assert.doesNotMatch(text, /npm (install|i) |curl |wget |sudo /);
      if (!text.includes('apt-get install')) continue;
      assert.match(text, /apt-get update && apt-get install -y --no-install-recommends /);
      assert.match(text, /rm -rf \/var\/lib\/apt\/lists\/\*/);
    }
  });

  it('leaves compilers out of the runtime stage', () => {
    for (const text of all('RUN', 'runtime')) assert.doesNotMatch(text, /apt-get|npm/);
  });

  it('runs as an ordinary user, with a health check, a stop signal, and tini before the entrypoint', () => {
    const last = instructions.filter(({ stage }) => stage === 'runtime');
    assert.equal(last.filter(({ name }) => name === 'USER').at(-1)?.text, '1000:1000');
    for (const name of ['HEALTHCHECK', 'STOPSIGNAL'])
      assert.equal(last.filter((each) => each.name === name).length, 1);
    assert.deepEqual(JSON.parse(all('ENTRYPOINT', 'runtime')[0] ?? ''), [
      '/usr/local/bin/tini',
      '-s',
      '--',
      '/app/docker/entrypoint',
    ]);
    // Without a CMD, the entrypoint can tell "nothing said" (on Lambda: the lambda mode) from "server".
    assert.deepEqual(all('CMD'), []);
  });

  for (const stage of ['engine', 'model']) {
    it(`copies everything that the ${stage} stage compiles and imports`, async (t) => {
      const folder = await mkdtemp(join(tmpdir(), `stage-${stage}-`));
      t.after(() => rm(folder, { recursive: true, force: true }));
      for (const name of ['tsconfig.json', 'package.json']) await cp(fromRoot(name), join(folder, name));
      for (const { path } of copied.filter((each) => each.stage === stage)) {
        const isSkipped = (source: string) => /\/(files|node_modules)$/.test(source);
        await cp(fromRoot(path), join(folder, path), {
          recursive: true,
          filter: (source) => !isSkipped(source),
        });
      }
      await symlink(fromRoot('node_modules'), join(folder, 'node_modules'));
      const project = join('docker', 'build', `tsconfig.${stage}.json`);
      const { status, stdout } = spawnSync(
        process.execPath,
        [join('node_modules', 'typescript', 'bin', 'tsc'), '-p', project],
        { cwd: folder, encoding: 'utf8' },
      );
      assert.equal(status, 0, stdout);
      for (const program of [`${stage}.mjs`, 'context.mjs']) {
        const file = join(folder, 'docker', 'build', program);
        const imports = readFileSync(file, 'utf8').matchAll(/import \{([^}]+)\} from '(\.[^']+)'/g);
        for (const [, names = '', path = ''] of imports) {
          const module = await import(pathToFileURL(resolve(dirname(file), path)).href);
          for (const name of names.split(',')) assert.ok(name.trim() in module, `${path} exports ${name}`);
        }
      }
    });
  }

  it('holds no secret', () => {
    for (const name of ['ENV', 'ARG'])
      for (const text of all(name)) assert.doesNotMatch(text, /SECRET|PASSWORD|TOKEN|API_KEY|ACCESS_KEY/i);
  });

  it('has an entrypoint that may be executed', () => {
    assert.ok((statSync(fromRoot('docker', 'entrypoint')).mode & 0o111) === 0o111);
  });

  it('pins the Lambda runtime client by version and hash', () => {
    const lock = JSON.parse(readFileSync(fromRoot('docker', 'ric', 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { version?: string; integrity?: string }>;
    };
    const { dependencies } = JSON.parse(readFileSync(fromRoot('docker', 'ric', 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    const client = lock.packages['node_modules/aws-lambda-ric'];
    assert.match(dependencies['aws-lambda-ric'] ?? '', /^\d+\.\d+\.\d+$/);
    assert.equal(client?.version, dependencies['aws-lambda-ric']);
    for (const [path, { integrity }] of Object.entries(lock.packages))
      if (path) assert.match(integrity ?? '', /^sha512-/, path);
  });
});

describe('docker/Dockerfile.dockerignore', () => {
  const lines = readFileSync(fromRoot('docker', 'Dockerfile.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => line && !line.startsWith('#'));

  it('leaves everything out that is not named', () => {
    assert.equal(lines[0], '*');
  });

  it('lets every path in that the Dockerfile copies', () => {
    const allowed = lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    for (const { path } of copied) {
      const parents: string[] = [];
      for (let at = path; at !== '.'; at = dirname(at)) parents.push(at);
      assert.ok(
        parents.some((parent) => allowed.includes(parent)),
        `${path} is left out of the build context`,
      );
    }
  });
});
