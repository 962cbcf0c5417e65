// Builds the image from a copy of its sources, twice: as they are, and after a change of code.
import { appendFile, cp } from 'node:fs/promises';
import { join } from 'node:path';
import { assert, check, print } from './harness.mjs';
import { NODE_STAND_IN } from './stand-ins.mjs';

const CONTEXT = [
  'package.json',
  'package-lock.json',
  '.npmrc',
  'tsconfig.json',
  'LICENSE',
  'docker',
  'models',
  'service',
];

/** The goal for the whole image, and what the published base has of it (227.33 MB for node:22.23.2-bookworm-slim by docker-library/repo-info). Bytes. */
const GOAL = 900e6;
const PUBLISHED_BASE = 230e6;

/**
 * @param {{ context: string }} options context: an empty folder for the sources
 * @returns {Promise<string | undefined>} the image's name, undefined when it could not be built
 */
export async function buildImage({ engine, root, context, prefix, cold }) {
  for (const path of CONTEXT) {
    await cp(join(root, path), join(context, path), {
      recursive: true,
      filter: (from) => !/node_modules|[\\/]dist$/.test(from),
    });
  }
  const build = async (tag, ...options) => {
    const began = performance.now();
    await engine.docker(
      [
        'build',
        ...['-f', join(context, 'docker', 'Dockerfile'), '-t', tag],
        ...(engine.isOwn ? ['--network', 'host', '--build-arg', `NODE_IMAGE=${NODE_STAND_IN}`] : []),
        ...options,
        context,
      ],
      { timeoutMs: 40 * 60_000 },
    );
    return `${Math.round((performance.now() - began) / 1000)} s`;
  };
  // Downloads are kept in cache mounts, which --no-cache leaves alone; in an engine of somebody else's they are not ours to delete.
  if (cold && engine.isOwn) await engine.docker(['builder', 'prune', '-a', '-f']);
  const image = `ml-serverless-test:${prefix}`;
  const isBuilt = await check(`builds${cold ? ', without any cache' : ''}`, () =>
    build(image, ...(cold ? ['--no-cache'] : [])),
  );
  if (!isBuilt) return undefined;

  await check('a change of code rebuilds the last layer only', async () => {
    // Code that does something: the bundler leaves out the rest.
    const source = join(context, 'service', 'src', 'app', 'greeting.ts');
    await appendFile(source, '\nprocess.title ||= "changed";\n');
    const changed = `${image}-changed`;
    const took = await build(changed);
    const layers = async (name) =>
      JSON.parse((await engine.docker(['inspect', '-f', '{{json .RootFS.Layers}}', name])).stdout);
    const [before, after] = [await layers(image), await layers(changed)];
    await engine.docker(['rmi', changed]);
    const same = before.filter((id, index) => id === after[index]).length;
    assert(same === before.length - 1, `${same} of ${before.length} layers are the same`);
    return took;
  });

  await check(`is at most ${GOAL / 1e6} MB with the published base`, async () => {
    const { stdout } = await engine.docker([
      'history',
      '--no-trunc',
      '--human=false',
      '--format',
      '{{.Size}}\t{{.CreatedBy}}',
      image,
    ]);
    const rows = stdout
      .trim()
      .split('\n')
      .map((line) => line.split('\t'));
    const base = engine.isOwn
      ? Number((await engine.docker(['inspect', '-f', '{{.Size}}', NODE_STAND_IN])).stdout)
      : 0;
    const total = Number((await engine.docker(['inspect', '-f', '{{.Size}}', image])).stdout);
    for (const [size, by = 'base'] of rows.reverse()) {
      if (Number(size) > 100_000)
        print(
          `      ${(Number(size) / 1e6).toFixed(1).padStart(7)} MB  ${by
            .replace(/\s+/g, ' ')
            .replace(/ # buildkit$/, '')
            .slice(0, 110)}`,
        );
    }
    const own = total - base;
    const whole = engine.isOwn ? own + PUBLISHED_BASE : total;
    print(
      `      ${(own / 1e6).toFixed(1).padStart(7)} MB  on top of ${engine.isOwn ? `a stand-in base of ${(base / 1e6).toFixed(0)} MB; the published one has about ${PUBLISHED_BASE / 1e6} MB` : 'nothing'}`,
    );
    assert(whole <= GOAL, `it has ${(whole / 1e6).toFixed(0)} MB`);
    return `${(whole / 1e6).toFixed(0)} MB`;
  });

  await check('holds no compilers, no development dependencies, a bill of materials', async () => {
    const sh = (script) => engine.docker(['run', '--rm', '--entrypoint', 'sh', image, '-c', script]);
    const { stdout: tools } = await sh(
      'for name in gcc g++ cc make cmake python3 ld; do command -v $name || true; done',
    );
    assert(tools.trim() === '', `there is ${tools.trim()}`);
    const { stdout: modules } = await sh(
      'cd /app/node_modules; ls -d typescript aws-cdk-lib onnxruntime-node @biomejs 2>/dev/null || true',
    );
    assert(modules.trim() === '', `there is ${modules.trim()}`);
    const { stdout: closed } = await sh(
      'find /app /opt \\( -type f ! -perm -004 \\) -o \\( -type d ! -perm -005 \\) | head',
    );
    assert(closed.trim() === '', `not everybody may read ${closed.trim()}`);
    const sbom = JSON.parse((await sh('cat /app/sbom.cdx.json')).stdout);
    assert(
      sbom.components.some(({ name }) => name === 'fastify'),
      'fastify is not in the bill of materials',
    );
    const { stdout: licences } = await sh('cat /app/THIRD-PARTY-LICENSES');
    assert(/^fastify \d/m.test(licences), 'the licence of fastify, which is in the bundle, is not there');
    const config = JSON.parse((await engine.docker(['inspect', '-f', '{{json .Config}}', image])).stdout);
    assert(config.Healthcheck && config.User === '1000:1000', 'no health check, or another user');
    assert(config.Labels['org.opencontainers.image.version'], 'no label with the version');
    return `${sbom.components.length} components`;
  });
  return image;
}
