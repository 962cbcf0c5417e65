import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { GetObjectCommand, HeadBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { fromRoot, root } from '../../helpers/root.ts';
import { until } from '../../helpers/until.ts';
import { queryDashboard } from './dashboard.ts';
import { type Answer, assertPumpkin } from './requests.ts';
import { PROMETHEUS_STAND_IN, S3_STAND_IN } from './stand-ins.ts';
import { requireImage, type Subject } from './subject.ts';

const BUCKET = 'ml-serverless';
const KEY = 'input/with a space/pumpkin.jpg';
const UP = ['up', '-d', '--no-build', '--wait', '--wait-timeout', '180', 'api'];
const OBSERVABILITY = ['--profile', 'observability'];

/** docker-compose.yml as it is, on free ports. */
export function testCompose(subject: Subject): void {
  const { engine, image, prefix, pumpkin } = subject;
  const skip = engine.compose ? false : 'needs docker compose v2, or Go to build it';

  describe('docker-compose.yml', { skip }, () => {
    let env: Record<string, string>;
    let api: string;
    let prometheus: string;
    let client: S3Client;

    const compose = (...args: string[]) => {
      assert.ok(engine.compose);
      const files = ['-p', prefix, '--project-directory', root, '-f', fromRoot('docker-compose.yml')];
      return engine.compose([...files, ...args], { env, cwd: root });
    };
    const get = async (Key: string) => {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key }));
      assert.ok(Body);
      // To the end: the stream of an unread body fails when the server stops.
      return Buffer.from(await Body.transformToByteArray());
    };

    before(async () => {
      await requireImage(subject)();
      const [apiPort, s3Port, prometheusPort] = await freePorts(3);
      env = {
        IMAGE: image,
        PORT: String(apiPort),
        S3_PORT: String(s3Port),
        PROMETHEUS_PORT: String(prometheusPort),
        ...(engine.isOwn ? { S3_IMAGE: S3_STAND_IN, PROMETHEUS_IMAGE: PROMETHEUS_STAND_IN } : {}),
      };
      api = `http://127.0.0.1:${apiPort}`;
      prometheus = `http://127.0.0.1:${prometheusPort}`;
      client = new S3Client({
        endpoint: `http://127.0.0.1:${s3Port}`,
        region: 'us-east-1',
        forcePathStyle: true,
        credentials: { accessKeyId: 'local', secretAccessKey: 'only-for-this-machine' },
      });
    });
    after(async () => {
      client?.destroy();
      if (env) await compose(...OBSERVABILITY, 'down', '-v', '--remove-orphans');
    });

    it('is valid with and without the profile', async () => {
      await compose('config', '-q');
      await compose(...OBSERVABILITY, 'config', '-q');
    });

    it('is up once every service is healthy', async (t) => {
      try {
        await compose(...UP);
      } catch (error) {
        t.diagnostic((await compose('logs', '--no-color', '--tail', '20')).stdout);
        throw error;
      }
    });

    it('answers a form with a picture', async () => {
      const form = new FormData();
      form.append('image', new Blob([new Uint8Array(pumpkin)], { type: 'image/jpeg' }), 'pumpkin.jpg');
      const response = await fetch(`${api}/predict`, { method: 'POST', body: form });
      assert.equal(response.status, 200);
      assertPumpkin((await response.json()) as Answer);
    });

    it('classifies an object put under input/ into output/', async () => {
      await client.send(new HeadBucketCommand({ Bucket: BUCKET }));
      await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: KEY, Body: pumpkin }));
      const result = await until('the result', () => get(`${KEY.replace('input/', 'output/')}.json`));
      const row = JSON.parse(result.toString()) as Answer & { key: string };
      assert.equal(row.key, KEY);
      assertPumpkin(row);
    });

    it('answers every query of the dashboard', async (t) => {
      await compose(...OBSERVABILITY, 'up', '-d', '--no-build', 'prometheus');
      t.diagnostic(`${await queryDashboard(prometheus, api, pumpkin)} queries`);
    });

    it('keeps the objects when it goes down and up again', async () => {
      await compose(...OBSERVABILITY, 'down');
      await compose(...UP);
      assert.ok(pumpkin.equals(await get(KEY)));
    });

    it('leaves nothing after down -v', async () => {
      await compose(...OBSERVABILITY, 'down', '-v', '--remove-orphans');
      for (const list of [
        ['ps', '-a'],
        ['volume', 'ls'],
        ['network', 'ls'],
      ]) {
        const filter = ['--filter', `label=com.docker.compose.project=${prefix}`, '-q'];
        assert.equal((await engine.docker([...list, ...filter])).stdout.trim(), '', list.join(' '));
      }
    });
  });
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
