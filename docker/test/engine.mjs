// A Docker engine to build and run on: the one that is running, else Debian's dockerd started by hand, with everything it
// keeps inside the test's folder. Only what was started here is stopped.
import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { access, chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { assert, print, run, until } from './harness.mjs';

const COMPOSE = 'github.com/docker/compose/v2/cmd@v2.40.3';

/** @returns {Promise<{ docker, compose, close, isOwn } | { missing: string }>} docker(args, options) runs the client */
export async function openEngine(folder) {
  const client = await findClient();
  if (!client)
    return {
      missing:
        "needs a docker client that builds with BuildKit: install docker with buildx, or Debian's docker.io",
    };
  const env = { DOCKER_BUILDKIT: '1' };
  let close = async () => undefined;
  let isOwn = false;
  if (!(await answers(client, env))) {
    if (process.getuid() !== 0) return { missing: 'needs a running Docker engine, or root to start one' };
    if (!(await exists('/usr/sbin/dockerd')))
      return {
        missing: 'needs a Docker engine: apt-get install -y --no-install-recommends docker.io debootstrap',
      };
    env.DOCKER_HOST = `unix://${join(folder, 'docker.sock')}`;
    close = await startEngine(client, folder, env);
    isOwn = true;
  }
  const compose = await findCompose(client, env, folder);
  return {
    isOwn,
    docker: (args, options = {}) => run(client, args, { ...options, env: { ...env, ...options.env } }),
    compose:
      compose &&
      ((args, options = {}) =>
        run(compose[0], [...compose.slice(1), ...args], { ...options, env: { ...env, ...options.env } })),
    close,
  };
}

const answers = (client, env) =>
  run(client, ['info', '--format', '{{.ServerVersion}}'], { env }).then(
    ({ stdout }) => stdout.trim() !== '',
    () => false,
  );

const exists = (path) =>
  access(path).then(
    () => true,
    () => false,
  );

/** A client has BuildKit by the buildx plugin, or (before 23) built in. */
async function findClient() {
  for (const client of ['docker', '/usr/bin/docker']) {
    const hasBuildx = await run(client, ['buildx', 'version']).then(
      () => true,
      () => false,
    );
    const version = await run(client, ['version', '--format', '{{.Client.Version}}'], {
      statuses: [0, 1],
    }).then(
      ({ stdout }) => stdout,
      () => '',
    );
    if (hasBuildx || (version !== '' && Number.parseInt(version, 10) < 23)) return client;
  }
  return undefined;
}

async function startEngine(client, folder, env) {
  await mkdir(folder, { recursive: true });
  const log = openSync(join(folder, 'dockerd.log'), 'a');
  const args = [
    ...['--data-root', join(folder, 'docker-data')],
    ...['--exec-root', join(folder, 'docker-exec')],
    ...['--pidfile', join(folder, 'docker.pid')],
    ...['--host', env.DOCKER_HOST],
    ...['--storage-driver', 'overlay2'],
    ...['--default-ulimit', 'nofile=20000:20000'],
  ];
  const child = spawn('dockerd', args, { stdio: ['ignore', log, log] });
  const ended = new Promise((resolve) => child.once('close', resolve));
  print(`      dockerd started (process ${child.pid}), its files are in ${folder}`);
  const close = async () => {
    child.kill('SIGTERM');
    await ended;
    print(`      dockerd stopped (process ${child.pid})`);
  };
  try {
    await until(
      'an answer of dockerd',
      () => {
        assert(child.exitCode === null, `dockerd ended: see ${join(folder, 'dockerd.log')}`);
        return answers(client, env);
      },
      60_000,
    );
  } catch (error) {
    await close();
    throw error;
  }
  return close;
}

/** The plugin where there is one, else Compose built by Go into the test's folder. */
async function findCompose(client, env, folder) {
  if (
    await run(client, ['compose', 'version'], { env }).then(
      () => true,
      () => false,
    )
  )
    return [client, 'compose'];
  const program = join(folder, 'bin', 'docker-compose');
  if (await exists(program)) return [program];
  if (
    !(await run('go', ['version']).then(
      () => true,
      () => false,
    ))
  )
    return undefined;
  print('      building docker compose with Go');
  const module = join(folder, 'compose-module');
  await mkdir(module, { recursive: true });
  if (!(await exists(join(module, 'go.mod')))) await run('go', ['mod', 'init', 'x'], { cwd: module });
  await run('go', ['get', COMPOSE], { cwd: module });
  await run('go', ['build', '-trimpath', '-ldflags', '-s -w', '-o', program, COMPOSE.replace(/@.*/, '')], {
    cwd: module,
  });
  await chmod(program, 0o755);
  return [program];
}
