// Builds docker/Dockerfile, and runs every mode of the image and docker-compose.yml: `npm run test:image`.
//
//   --cold      builds without any cache
//   --keep      keeps the built image
//
// It uses the Docker engine that is running. Without one, as root on Debian 12, it starts Debian's own (docker.io, debootstrap)
// with stand-ins for the published images, and stops it at the end. Its cache is IMAGE_TEST_DIR
// (default ~/.cache/ml-serverless/image-test, about 10 GB), which may be deleted at any time.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe } from 'node:test';
import { sample } from '../helpers/samples.ts';
import { testBuild } from './image/build.ts';
import { testCompose } from './image/compose.ts';
import { createContainers } from './image/containers.ts';
import { type Engine, openEngine } from './image/engine.ts';
import { testLambda } from './image/lambda.ts';
import { testServer } from './image/server.ts';
import {
  ensureEmulator,
  ensureNodeImage,
  ensurePrometheusImage,
  ensureS3Image,
  NODE_STAND_IN,
} from './image/stand-ins.ts';
import { testWorker } from './image/worker.ts';

const folder = resolve(
  process.env.IMAGE_TEST_DIR || join(homedir(), '.cache', 'ml-serverless', 'image-test'),
);
const prefix = `mls-test-${process.pid}`;
const image = `ml-serverless-test:${prefix}`;

await mkdir(folder, { recursive: true });
const found = await openEngine(folder);
if ('missing' in found) describe('the image', { skip: found.missing }, () => {});
else await testImage(found);

async function testImage(engine: Engine): Promise<void> {
  const context = await mkdtemp(join(tmpdir(), 'ml-serverless-image-'));
  const containers = createContainers(engine, image, prefix);
  const base = engine.isOwn ? NODE_STAND_IN : undefined;
  const subject = { engine, image, base, containers, prefix, pumpkin: await sample('pumpkin.jpg') };

  const cleanUp = async () => {
    await containers.removeAll();
    await rm(context, { recursive: true, force: true });
    if (!process.argv.includes('--keep')) await engine.docker(['rmi', '-f', image]);
    await engine.close();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void cleanUp().finally(() => process.exit(1)));

  describe('the image', () => {
    before(async () => {
      if (!engine.isOwn) return;
      await ensureNodeImage(engine.docker, folder);
      await ensureS3Image(engine.docker, folder);
      await ensurePrometheusImage(engine.docker, folder);
    });
    after(cleanUp);

    testBuild(subject, context, process.argv.includes('--cold'));
    testServer(subject);
    testWorker(subject);
    testLambda(subject, () => ensureEmulator(folder));
    testCompose(subject);
  });
}
