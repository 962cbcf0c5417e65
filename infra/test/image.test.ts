import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { App, CfnWaitConditionHandle, Stack } from 'aws-cdk-lib';
import { Image } from '../lib/image.ts';
import { parseParameters } from '../lib/parameters.ts';
import { repositoryRoot } from '../lib/repository-root.ts';

interface DockerAsset {
  readonly source: { readonly directory: string; readonly dockerFile: string; readonly platform?: string };
}

/** An image of nothing, with what the real one leaves out of its context. */
const DOCKER = {
  'docker/Dockerfile': 'FROM scratch\n',
  'docker/Dockerfile.dockerignore': readFileSync(
    join(repositoryRoot(), 'docker', 'Dockerfile.dockerignore'),
    'utf8',
  ),
};

/** Synthesises the image alone from `root`; returns the staged build context and how it is to be built. */
function stage(root: string, outdir: string, given: Record<string, unknown> = {}) {
  const app = new App({ outdir });
  const stack = new Stack(app, 'image');
  // CloudFormation has no template without a resource.
  new CfnWaitConditionHandle(stack, 'Something');
  const image = new Image(stack, 'Image', { root, parameters: parseParameters(given) });
  app.synth();
  const manifest = JSON.parse(readFileSync(join(outdir, 'image.assets.json'), 'utf8')) as {
    dockerImages: Record<string, DockerAsset>;
  };
  const [[tag, asset] = []] = Object.entries(manifest.dockerImages);
  assert(tag && asset);
  return { image, tag, asset, context: join(outdir, asset.source.directory) };
}

describe('the image asset', () => {
  let scratch = '';
  let count = 0;
  before(() => {
    scratch = mkdtempSync(join(tmpdir(), 'ml-serverless-image-'));
  });
  after(() => rmSync(scratch, { recursive: true, force: true }));
  const outdir = () => join(scratch, `out-${count++}`);
  const put = (root: string, files: Record<string, string>) => {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), content);
    }
  };

  it('holds what the image is built from, and nothing private or large beside it', () => {
    const root = join(scratch, 'root');
    put(root, {
      ...DOCKER,
      'package.json': '{}',
      'package-lock.json': '{}',
      'service/src/entrypoints/server.ts': '',
      'service/setup/bootstrap/bundle.mjs': '',
      'service/setup/bootstrap/lock.mjs': '',
      'models/resnet50/manifest.json': '{}',
      'models/node_modules/x.js': '',
      '.env': 'API_KEYS=secret',
      'service/src/.env.local': 'API_KEYS=secret',
      '.git/config': '',
      'node_modules/x/index.js': '',
      'dist/x.js': '',
      'data/input/a.jpg': '',
      'service/test/x.test.ts': '',
      'infra/cdk.out/x.json': '',
    });
    const { context } = stage(root, outdir());
    const files = readdirSync(context, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(context.length + 1));
    assert.deepEqual(files.sort(), [
      'docker/Dockerfile',
      'docker/Dockerfile.dockerignore',
      'models/resnet50/manifest.json',
      'package-lock.json',
      'package.json',
      'service/setup/bootstrap/bundle.mjs',
      'service/src/entrypoints/server.ts',
    ]);
  });

  it('has another tag when a source changes, and the same when anything else does', () => {
    const root = join(scratch, 'tags');
    put(root, { ...DOCKER, 'service/src/a.ts': '1', 'README.md': '1' });
    const first = stage(root, outdir()).tag;
    put(root, { 'README.md': '2', 'service/test/a.test.ts': '2', '.git/HEAD': '2' });
    assert.equal(stage(root, outdir()).tag, first);
    put(root, { 'service/src/a.ts': '2' });
    assert.notEqual(stage(root, outdir()).tag, first);
  });

  it('is built for the architecture asked for', () => {
    const root = join(scratch, 'platform');
    put(root, DOCKER);
    assert.equal(stage(root, outdir()).asset.source.platform, 'linux/amd64');
    assert.equal(stage(root, outdir(), { architecture: 'arm64' }).asset.source.platform, 'linux/arm64');
  });

  it('is refused in one line where there is no Dockerfile', () => {
    assert.throws(() => stage(join(scratch, 'nothing'), outdir()), /no docker\/Dockerfile in .*nothing/);
  });

  const dockerfile = join(repositoryRoot(), 'docker', 'Dockerfile');
  it('holds every file the Dockerfile copies', {
    skip: existsSync(dockerfile) ? false : 'needs docker/Dockerfile',
  }, () => {
    const { context } = stage(repositoryRoot(), outdir());
    const text = readFileSync(dockerfile, 'utf8').replaceAll('\\\n', ' ');
    const copied = [...text.matchAll(/^\s*(?:COPY|ADD)\s+(?!.*--from=)(.+)$/gm)].flatMap(([, rest = '']) =>
      rest
        .split(/\s+/)
        .filter((word) => word && !word.startsWith('--'))
        .slice(0, -1),
    );
    const mounted = [...text.matchAll(/--mount=type=bind,([^\s]+)/g)]
      .map(([, options = '']) => options.split(','))
      .filter((options) => !options.some((option) => option.startsWith('from=')))
      .map((options) => options.find((option) => /^(source|src)=/.test(option))?.split('=')[1] ?? '.');
    for (const path of [...copied, ...mounted]) {
      // A pattern has to match something; its folder is the part before the first wildcard.
      const fixed = path.split(/[*?[]/)[0] ?? '';
      const folder = fixed === path ? fixed : dirname(`${fixed}x`);
      assert.ok(existsSync(join(context, folder)), `${path} is in the build context`);
    }
  });
});
