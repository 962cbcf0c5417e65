import assert from 'node:assert/strict';
import { appendFile, cp } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { fromRoot } from '../../helpers/root.ts';
import type { Subject } from './subject.ts';

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

/** Maximum size of the whole image, in bytes. */
const MAX_SIZE = 900e6;
/** Size of the published base, in bytes (227.33 MB for node:22.23.2-bookworm-slim in docker-library/repo-info). */
const PUBLISHED_BASE = 230e6;

/**
 * Builds the image from a copy of the sources, and again after a change of code.
 *
 * @param context an empty folder for the copy
 * @param cold builds without any cache
 */
export function testBuild({ engine, image, base }: Subject, context: string, cold: boolean): void {
  const { docker } = engine;

  async function build(tag: string, ...options: string[]): Promise<string> {
    const began = performance.now();
    const file = ['-f', join(context, 'docker', 'Dockerfile'), '-t', tag];
    const stand = base ? ['--network', 'host', '--build-arg', `NODE_IMAGE=${base}`] : [];
    await docker(['build', ...file, ...stand, ...options, context], { timeoutMs: 40 * 60_000 });
    return `built in ${Math.round((performance.now() - began) / 1000)} s`;
  }

  describe('the build', () => {
    before(async () => {
      const filter = (source: string) => !/node_modules|[\\/]dist$/.test(source);
      for (const path of CONTEXT) await cp(fromRoot(path), join(context, path), { recursive: true, filter });
      // Downloads are in cache mounts, which --no-cache keeps. The cache of an engine that was running is not ours to delete.
      if (cold && engine.isOwn) await docker(['builder', 'prune', '-a', '-f']);
    });

    it(`succeeds${cold ? ' without any cache' : ''}`, async (t) => {
      t.diagnostic(await build(image, ...(cold ? ['--no-cache'] : [])));
    });

    it('rebuilds only the last layer after a change of code', async (t) => {
      // A statement with an effect: the bundler leaves out others.
      const source = join(context, 'service', 'src', 'app', 'greeting.ts');
      await appendFile(source, '\nprocess.title ||= "changed";\n');
      const changed = `${image}-changed`;
      t.diagnostic(await build(changed));
      const layersOf = async (name: string) =>
        JSON.parse((await docker(['inspect', '-f', '{{json .RootFS.Layers}}', name])).stdout) as string[];
      const [first, second] = [await layersOf(image), await layersOf(changed)];
      await docker(['rmi', changed]);
      assert.deepEqual(second.slice(0, -1), first.slice(0, -1));
      assert.notEqual(second.at(-1), first.at(-1));
    });

    it(`is at most ${MAX_SIZE / 1e6} MB with the published base`, async (t) => {
      const megabytes = (size: number) => `${(size / 1e6).toFixed(1).padStart(7)} MB`;
      const format = ['--no-trunc', '--human=false', '--format', '{{.Size}}\t{{.CreatedBy}}'];
      const { stdout } = await docker(['history', ...format, image]);
      for (const row of stdout.trim().split('\n').reverse()) {
        const [size = '', by = 'base'] = row.split('\t');
        const command = by.replace(/\s+/g, ' ').replace(/ # buildkit$/, '');
        if (Number(size) > 100_000) t.diagnostic(`${megabytes(Number(size))}  ${command.slice(0, 110)}`);
      }
      const sizeOf = async (name: string) =>
        Number((await docker(['inspect', '-f', '{{.Size}}', name])).stdout);
      const total = (await sizeOf(image)) + (base ? PUBLISHED_BASE - (await sizeOf(base)) : 0);
      t.diagnostic(`${megabytes(total)}  in total${base ? ', with the size of the published base' : ''}`);
      assert.ok(total <= MAX_SIZE, `it has ${megabytes(total)}`);
    });

    it('holds no compilers or development dependencies', async () => {
      assert.equal(
        await sh('for name in gcc g++ cc make cmake python3 ld; do command -v $name || true; done'),
        '',
      );
      assert.equal(
        await sh(
          'cd /app/node_modules; ls -d typescript aws-cdk-lib onnxruntime-node @biomejs 2>/dev/null || true',
        ),
        '',
      );
    });

    it('lets every user read its files', async () => {
      const unreadable = '\\( -type f ! -perm -004 \\) -o \\( -type d ! -perm -005 \\)';
      assert.equal(await sh(`find /app /opt ${unreadable} | head`), '');
    });

    it('holds a bill of materials and the licences of what is bundled', async (t) => {
      const sbom = JSON.parse(await sh('cat /app/sbom.cdx.json')) as { components: { name: string }[] };
      assert.ok(sbom.components.some(({ name }) => name === 'fastify'));
      t.diagnostic(`${sbom.components.length} components`);
      assert.match(await sh('cat /app/THIRD-PARTY-LICENSES'), /^fastify \d/m);
    });

    it('has a health check, a user and a version', async () => {
      const { stdout } = await docker(['inspect', '-f', '{{json .Config}}', image]);
      const config = JSON.parse(stdout) as {
        Healthcheck?: object;
        User: string;
        Labels: Record<string, string>;
      };
      assert.ok(config.Healthcheck);
      assert.equal(config.User, '1000:1000');
      assert.ok(config.Labels['org.opencontainers.image.version']);
    });
  });

  const sh = async (script: string): Promise<string> =>
    (await docker(['run', '--rm', '--entrypoint', 'sh', image, '-c', script])).stdout.trim();
}
