// docker-compose.yml as it stands, on ports of its own: up, a request, a dropped object and its result, down.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { GetObjectCommand, HeadBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { testDashboard } from './dashboard.mjs';
import { assert, check, skip, until } from './harness.mjs';
import { PROMETHEUS_STAND_IN, S3_STAND_IN } from './stand-ins.mjs';

const BUCKET = 'ml-serverless';
const KEY = 'input/with a space/pumpkin.jpg';

export async function testCompose({ engine, image, root, prefix }) {
  if (!engine.compose) return skip('docker compose', 'needs docker compose v2, or Go to build it');
  const ports = await freePorts(3);
  const env = {
    IMAGE: image,
    PORT: String(ports[0]),
    S3_PORT: String(ports[1]),
    PROMETHEUS_PORT: String(ports[2]),
    ...(engine.isOwn ? { S3_IMAGE: S3_STAND_IN, PROMETHEUS_IMAGE: PROMETHEUS_STAND_IN } : {}),
  };
  const files = ['-p', prefix, '--project-directory', root, '-f', join(root, 'docker-compose.yml')];
  const compose = (args, options = {}) => engine.compose([...files, ...args], { env, cwd: root, ...options });
  const api = `http://127.0.0.1:${ports[0]}`;
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${ports[1]}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'local', secretAccessKey: 'only-for-this-machine' },
  });
  const picture = await readFile(join(root, 'models/resnet50/samples/pumpkin.jpg'));

  await check('compose: the file is valid, with and without the profile', async () => {
    await compose(['config', '-q']);
    const { stdout } = await compose(['--profile', 'observability', 'config', '--services']);
    return stdout.trim().split('\n').sort().join(', ');
  });

  try {
    const isUp = await check('compose: up --wait ends once everything is healthy', async () => {
      await compose(['up', '-d', '--no-build', '--wait', '--wait-timeout', '180', 'api']);
      const { stdout } = await compose(['ps', '-a', '--format', 'json']);
      const containers = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      return containers
        .map(({ Service, State, Health, ExitCode }) => `${Service} ${Health || `${State} ${ExitCode}`}`)
        .join(', ');
    });
    if (!isUp) throw new Error('stop');

    await check('compose: curl -F image=@… /predict answers', async () => {
      const form = new FormData();
      form.append('image', new Blob([picture], { type: 'image/jpeg' }), 'pumpkin.jpg');
      const answer = await fetch(`${api}/predict`, { method: 'POST', body: form });
      assert(answer.status === 200, `it answers ${answer.status}`);
      return (await answer.json()).predictions[0].label;
    });

    await check('compose: an object put under input/ gets its result under output/', async () => {
      await client.send(new HeadBucketCommand({ Bucket: BUCKET }));
      await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: KEY, Body: picture }));
      const text = await until('the result', async () => {
        const { Body } = await client.send(
          new GetObjectCommand({ Bucket: BUCKET, Key: `${KEY.replace('input/', 'output/')}.json` }),
        );
        return Body.transformToString();
      });
      const row = JSON.parse(text);
      assert(row.key === KEY, `its key is ${row.key}`);
      return row.predictions[0].label;
    });

    await check('compose: every query of the dashboard has an answer', async () => {
      await compose(['--profile', 'observability', 'up', '-d', '--no-build', 'prometheus']);
      return testDashboard({ root, prometheus: `http://127.0.0.1:${ports[2]}`, api, picture });
    });

    await check('compose: down and up again keeps what is in the bucket', async () => {
      await compose(['--profile', 'observability', 'down']);
      await compose(['up', '-d', '--no-build', '--wait', '--wait-timeout', '180', 'api']);
      const { Body } = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key: KEY }));
      // To the end: a body that is left unread breaks off, unheard, when the server goes.
      assert(picture.equals(await Body.transformToByteArray()), 'it holds something else');
    });
  } catch (error) {
    if (error.message !== 'stop') throw error;
    const { stdout } = await compose(['logs', '--no-color', '--tail', '20']);
    process.stdout.write(stdout);
  } finally {
    client.destroy();
    await check('compose: down -v leaves nothing', async () => {
      await compose(['--profile', 'observability', 'down', '-v', '--remove-orphans']);
      const filter = ['--filter', `label=com.docker.compose.project=${prefix}`, '-q'];
      const left = await Promise.all(
        [
          ['ps', '-a'],
          ['volume', 'ls'],
          ['network', 'ls'],
        ].map((words) => engine.docker([...words, ...filter])),
      );
      assert(
        left.every(({ stdout }) => stdout.trim() === ''),
        'something is left',
      );
    });
  }
}

async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(
    servers.map((server) => new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
