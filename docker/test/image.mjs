// Builds docker/Dockerfile and runs every mode of the image, and docker-compose.yml: `npm run test:image`.
//
//   --cold      builds without any cache, to see how long that takes
//   --keep      leaves the built image
//
// It uses the Docker engine that is running; without one, as root on Debian 12, it starts Debian's own (docker.io, debootstrap) with
// stand-ins for the published images, and stops it at the end. What it keeps lies in IMAGE_TEST_DIR
// (default ~/.cache/ml-serverless/image-test, about 10 GB), which may be deleted at any time.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildImage } from './build.mjs';
import { testCompose } from './compose.mjs';
import { createContainers } from './container.mjs';
import { openEngine } from './engine.mjs';
import { finish, print, skip } from './harness.mjs';
import { testModes } from './modes.mjs';
import { ensureEmulator, ensureNodeImage, ensurePrometheusImage, ensureS3Image } from './stand-ins.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = resolve(
  process.env.IMAGE_TEST_DIR || join(homedir(), '.cache', 'ml-serverless', 'image-test'),
);
const cold = process.argv.includes('--cold');
const prefix = `mls-test-${process.pid}`;

await mkdir(folder, { recursive: true });
const engine = await openEngine(folder);
if (engine.missing) {
  skip('the image', engine.missing);
} else {
  let containers;
  let image;
  const context = await mkdtemp(join(tmpdir(), 'ml-serverless-image-'));
  const tidy = async () => {
    await containers?.removeAll();
    await rm(context, { recursive: true, force: true });
    if (image && !process.argv.includes('--keep')) await engine.docker(['rmi', '-f', image]);
    await engine.close();
  };
  const giveUp = () => void tidy().finally(() => process.exit(1));
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, giveUp);
  process.once('uncaughtException', (error) => {
    print(`stopped: ${error.stack}`);
    giveUp();
  });
  try {
    if (engine.isOwn) {
      await ensureNodeImage(engine.docker, folder);
      await ensureS3Image(engine.docker, folder);
      await ensurePrometheusImage(engine.docker, folder);
    }
    image = await buildImage({ engine, root, context, prefix, cold });
    if (image) {
      containers = createContainers(engine, image, prefix);
      await testModes({ containers, root, emulator: await ensureEmulator(folder) });
      await testCompose({ engine, image: image, root, prefix });
    }
  } catch (error) {
    print(`stopped: ${error.message}`);
    process.exitCode = 1;
  } finally {
    await tidy();
  }
}
process.exitCode = finish() || process.exitCode;
