import { spawn } from 'node:child_process';
import { existsSync, openSync } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../../helpers/until.ts';
import { type Run, type RunOptions, run, succeeds } from './run.ts';

const DOCKERD = '/usr/sbin/dockerd';
const COMPOSE = 'github.com/docker/compose/v2/cmd@v2.40.3';

export interface Engine {
  /** The engine was started here, without access to a registry. */
  readonly isOwn: boolean;
  readonly docker: Run;
  /** undefined when docker compose is neither installed nor can be built. */
  readonly compose: Run | undefined;
  close(): Promise<void>;
}

/**
 * The Docker engine that is running, else Debian's dockerd, started here with all its data inside `folder`.
 * `close` stops only an engine that was started here.
 *
 * @returns the engine, or why there is none
 */
export async function openEngine(folder: string): Promise<Engine | { readonly missing: string }> {
  const client = await findClient();
  if (!client)
    return {
      missing:
        "needs a docker client that builds with BuildKit: install docker with buildx, or Debian's docker.io",
    };
  const env: Record<string, string> = { DOCKER_BUILDKIT: '1' };
  let close = async () => {};
  let isOwn = false;
  if (!(await answers(client, env))) {
    if (process.getuid?.() !== 0) return { missing: 'needs a running Docker engine, or root to start one' };
    if (!existsSync(DOCKERD))
      return {
        missing: 'needs a Docker engine: apt-get install -y --no-install-recommends docker.io debootstrap',
      };
    env.DOCKER_HOST = `unix://${join(folder, 'docker.sock')}`;
    close = await startEngine(client, folder, env);
    isOwn = true;
  }
  const runner =
    ([program, ...first]: readonly [string, ...string[]]): Run =>
    (args, options: RunOptions = {}) =>
      run(program, [...first, ...args], { ...options, env: { ...env, ...options.env } });
  const compose = await findCompose(client, env, folder);
  return { isOwn, docker: runner([client]), compose: compose && runner(compose), close };
}

const answers = (client: string, env: Record<string, string>): Promise<boolean> =>
  run(client, ['info', '--format', '{{.ServerVersion}}'], { env }).then(
    ({ stdout }) => stdout.trim() !== '',
    () => false,
  );

/** A client has BuildKit as the buildx plugin, or (before 23) built in. */
async function findClient(): Promise<string | undefined> {
  for (const client of ['docker', '/usr/bin/docker']) {
    if (await succeeds(client, ['buildx', 'version'])) return client;
    const version = await run(client, ['version', '--format', '{{.Client.Version}}'], {
      statuses: [0, 1],
    }).then(
      ({ stdout }) => stdout,
      () => '',
    );
    if (version !== '' && Number.parseInt(version, 10) < 23) return client;
  }
  return undefined;
}

async function startEngine(client: string, folder: string, env: Record<string, string>) {
  const log = openSync(join(folder, 'dockerd.log'), 'a');
  const args = [
    ...['--data-root', join(folder, 'docker-data')],
    ...['--exec-root', join(folder, 'docker-exec')],
    ...['--pidfile', join(folder, 'docker.pid')],
    ...['--host', env.DOCKER_HOST ?? ''],
    ...['--storage-driver', 'overlay2'],
    ...['--default-ulimit', 'nofile=20000:20000'],
  ];
  const child = spawn(DOCKERD, args, { stdio: ['ignore', log, log] });
  const ended = new Promise((resolve) => child.once('close', resolve));
  console.log(`dockerd started (process ${child.pid}), its files are in ${folder}`);
  const close = async () => {
    child.kill('SIGTERM');
    await ended;
    console.log(`dockerd stopped (process ${child.pid})`);
  };
  try {
    await Promise.race([
      until('an answer of dockerd', () => answers(client, env), 60_000),
      ended.then(() => {
        throw new Error(`dockerd ended: see ${join(folder, 'dockerd.log')}`);
      }),
    ]);
  } catch (error) {
    await close();
    throw error;
  }
  return close;
}

/** The plugin if it is installed, else Compose built by Go into `folder`. */
async function findCompose(
  client: string,
  env: Record<string, string>,
  folder: string,
): Promise<[string, ...string[]] | undefined> {
  if (await succeeds(client, ['compose', 'version'], { env })) return [client, 'compose'];
  const program = join(folder, 'bin', 'docker-compose');
  if (existsSync(program)) return [program];
  if (!(await succeeds('go', ['version']))) return undefined;
  console.log('building docker compose with Go');
  const cwd = join(folder, 'compose-module');
  await mkdir(cwd, { recursive: true });
  if (!existsSync(join(cwd, 'go.mod'))) await run('go', ['mod', 'init', 'x'], { cwd });
  await run('go', ['get', COMPOSE], { cwd });
  const source = COMPOSE.replace(/@.*/, '');
  await run('go', ['build', '-trimpath', '-ldflags', '-s -w', '-o', program, source], { cwd });
  await chmod(program, 0o755);
  return [program];
}
