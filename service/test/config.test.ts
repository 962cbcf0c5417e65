import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadConfig, loadLambdaConfig } from '../src/config/config.ts';

describe('the configuration', () => {
  it('has a default for everything', () => {
    const { PORT, HOST, MODEL, ENGINE, STORE, JOBS, API_KEYS } = loadConfig({});
    assert.deepEqual(
      [PORT, HOST, MODEL, ENGINE, STORE, JOBS, API_KEYS],
      [8080, '127.0.0.1', 'resnet50', 'auto', 'file:./data', 'local', []],
    );
  });

  it('takes an empty variable as one that is not set', () => {
    assert.equal(loadConfig({ PORT: '', STORE: '' }).PORT, 8080);
  });

  it('reads keys, numbers and choices', () => {
    const { API_KEYS, PORT, PRECISION } = loadConfig({
      API_KEYS: 'one, two ,',
      PORT: '0',
      PRECISION: 'float32',
    });
    assert.deepEqual([API_KEYS, PORT, PRECISION], [['one', 'two'], 0, 'float32']);
  });

  const wrong: Readonly<Record<string, string>> = {
    PORT: 'abc',
    MAX_QUEUE: '0',
    MAX_BATCH: '8.5',
    MAX_IMAGE_BYTES: '1e9',
    ENGINE: 'magic',
    STORE: 'ftp://somewhere',
    MODEL: '../secret',
    LOG_LEVEL: 'loud',
    S3_ENDPOINT: 'localhost:7070',
    ALLOWED_HOSTS: 'http://example.com',
    CORS_ORIGINS: 'https://example.com/path',
  };
  for (const [name, value] of Object.entries(wrong)) {
    it(`refuses ${name}=${value} with one line that names it`, () => {
      assert.throws(
        () => loadConfig({ [name]: value }),
        (error: Error & { code: string }) => {
          assert.equal(error.code, 'INVALID_CONFIGURATION');
          assert.ok(error.message.startsWith(`${name}="${value}" `), error.message);
          assert.ok(!error.message.includes('\n'));
          return true;
        },
      );
    });
  }

  it('lists the values of a setting that has a few', () => {
    assert.throws(() => loadConfig({ ENGINE: 'magic' }), {
      message: /^ENGINE="magic" must be one of auto, tensorflow, wasm \(/,
    });
  });

  it('refuses API_KEYS that are set but hold no key, without printing them', () => {
    for (const API_KEYS of [',', ' ', ' , ', ',,,', '\n', '\t,']) {
      assert.throws(() => loadConfig({ API_KEYS }), {
        code: 'INVALID_CONFIGURATION',
        message: /^API_KEYS is set but holds no key; [^\n]+$/,
      });
    }
    assert.deepEqual(loadConfig({ API_KEYS: ',one' }).API_KEYS, ['one']);
  });

  it('allows loopback names alone on loopback, any elsewhere and on Lambda', () => {
    for (const HOST of ['127.0.0.1', 'localhost', '::1', '127.0.0.2']) {
      assert.deepEqual(loadConfig({ HOST }).allowedHosts, [], HOST);
    }
    for (const HOST of ['0.0.0.0', '::', '192.168.0.7', '127.0.0.1.example.com']) {
      assert.equal(loadConfig({ HOST }).allowedHosts, undefined, HOST);
    }
    assert.deepEqual(loadConfig({ HOST: '::', ALLOWED_HOSTS: 'A.example' }).allowedHosts, ['a.example']);
    assert.equal(loadLambdaConfig({ ALLOWED_HOSTS: '' }).allowedHosts, undefined);
    assert.deepEqual(loadLambdaConfig({ ALLOWED_HOSTS: 'a.example' }).allowedHosts, ['a.example']);
  });

  it('says what JOBS=aws-batch lacks', () => {
    assert.throws(() => loadConfig({ JOBS: 'aws-batch' }), { message: /^JOB_QUEUE_ARN is not set/ });
  });
});
