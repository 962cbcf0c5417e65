import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { until } from '../../helpers/until.ts';
import { assertPumpkin, classifyPumpkin, readJson } from './requests.ts';
import { requireImage, type Subject } from './subject.ts';

interface ModelList {
  readonly models: readonly { readonly engine: string; readonly precision: string }[];
}

/** The modes that serve HTTP: read-only, without capabilities, as an ordinary user. */
export function testServer(subject: Subject): void {
  const { containers, pumpkin, engine } = subject;
  const firstModel = async (url: string) => {
    const { models } = await readJson<ModelList>(await fetch(`${url}/models`));
    assert.ok(models[0]);
    return models[0];
  };

  describe('server', () => {
    before(requireImage(subject));

    it('answers POST /predict, under an init process that reaps orphans', async (t) => {
      const server = await containers.start('server', [], []);
      t.diagnostic(await classifyPumpkin(`${server.url}/predict`, pumpkin));
      assert.equal((await firstModel(server.url)).engine, 'tensorflow');
      assert.match((await server.exec(['cat', '/proc/1/cmdline'])).stdout, /^\/usr\/local\/bin\/tini\0/);
      // The inner shell ends before its child, which becomes a child of process 1.
      await server.exec(['sh', '-c', 'sh -c "sleep 0.2 & exit 0"']);
      await until('the end of the orphan', async () => {
        const list = 'cat /proc/[0-9]*/stat 2>/dev/null | cut -d" " -f2,3';
        const { stdout } = await server.exec(['sh', '-c', list]);
        return !/ Z$/m.test(stdout) && !/\(sleep\)/.test(stdout);
      });
      assert.equal(await server.inspect('{{.Config.User}}'), '1000:1000');
    });

    it('shuts down on SIGTERM with exit status 0', async () => {
      const server = await containers.start('stop', [], ['server']);
      await classifyPumpkin(`${server.url}/predict`, pumpkin);
      await engine.docker(['stop', '-t', '30', server.name]);
      const logs = await server.logs();
      assert.equal(await server.inspect('{{.State.ExitCode}}'), '0', logs.slice(-400));
      assert.match(logs, /shutting down/);
    });

    it('runs within 1 GiB of memory', async (t) => {
      const server = await containers.start('small', ['--memory', '1g', '--memory-swap', '1g'], []);
      const requests = Array.from({ length: 16 }, () => classifyPumpkin(`${server.url}/predict`, pumpkin));
      await Promise.all(requests);
      assert.equal(await server.inspect('{{.State.OOMKilled}}'), 'false');
      const { stdout } = await engine.docker([
        ...['stats', '--no-stream', '--format', '{{.MemUsage}}'],
        server.name,
      ]);
      t.diagnostic(stdout.trim());
    });

    for (const precision of process.arch === 'x64' ? ['int8', 'float32'] : ['float32']) {
      for (const setting of ['ONEDNN_MAX_CPU_ISA=AVX2', 'TF_ENABLE_ONEDNN_OPTS=0']) {
        it(`runs ${precision} with ${setting}`, async (t) => {
          const options = ['-e', `PRECISION=${precision}`, '-e', setting];
          const server = await containers.start('cpu', options, []);
          t.diagnostic(await classifyPumpkin(`${server.url}/predict`, pumpkin));
          const model = await firstModel(server.url);
          assert.deepEqual([model.engine, model.precision], ['tensorflow', precision]);
          await containers.remove(server.name);
        });
      }
    }

    it('ends at start without TensorFlow, and says so', async () => {
      const options = ['--mount', 'type=tmpfs,destination=/app/node_modules/@tensorflow/tfjs-node/lib'];
      const { stdout, stderr } = await containers.once('no-engine', options, [], { statuses: [1, 78] });
      assert.match(`${stdout}${stderr}`, /TensorFlow is not available/);
    });

    it('writes only to /tmp and /data', async () => {
      const server = await containers.start('writes', [], [], { strict: false });
      await classifyPumpkin(`${server.url}/predict`, pumpkin);
      const { stdout } = await engine.docker(['diff', server.name]);
      assert.deepEqual(
        stdout.split('\n').filter((line) => line && !/^. \/(tmp|data)(\/|$)/.test(line)),
        [],
      );
    });

    it('runs as any user', async () => {
      const server = await containers.start('user', ['--user', '4242:4242'], []);
      await classifyPumpkin(`${server.url}/predict`, pumpkin);
    });
  });

  describe('serve', () => {
    before(requireImage(subject));

    it('answers GET /ping and POST /invocations', async () => {
      const server = await containers.start('serve', ['-e', 'HOST=127.0.0.1'], ['serve']);
      assert.equal((await fetch(`${server.url}/ping`)).status, 200);
      await classifyPumpkin(`${server.url}/invocations`, pumpkin);
    });
  });

  describe('classify', () => {
    before(requireImage(subject));

    it('classifies a picture on stdin, without a server', async () => {
      const { stdout } = await containers.once('classify', ['-i'], ['classify', '-', '--json'], {
        input: pumpkin,
      });
      assertPumpkin(JSON.parse(stdout));
    });

    it('is in the list of modes that an unknown mode prints, with exit status 64', async () => {
      const { stderr } = await containers.once('unknown', [], ['sevrer'], { statuses: [64] });
      for (const mode of ['server', 'worker', 'dispatcher', 'lambda', 'serve', 'classify'])
        assert.match(stderr, new RegExp(`^  ${mode} `, 'm'));
    });
  });
}
