import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { loadConfig } from '../../src/config/config.ts';
import { createModels } from '../../src/inference/models.ts';
import { startApp } from '../helpers/test-app.ts';
import { makeTinyModel } from '../helpers/tiny-model.ts';

test('a model that WebAssembly serves says so in GET /models, readiness and metrics', async () => {
  const tiny = await makeTinyModel();
  const models = await createModels(loadConfig(tiny.env), pino({ level: 'silent' }));
  const server = await startApp({ models });
  try {
    await models.loaded;
    const reason = /^ENGINE=wasm; WebAssembly runs the model, 10 to 60 times slower than TensorFlow$/;
    const { body } = await server.http.get('/models').expect(200);
    assert.match(body.models[0].degraded, reason);
    const ready = await server.http.get('/health/ready').expect(200);
    assert.equal(ready.body.degraded[0].model, 'tiny');
    assert.match(ready.body.degraded[0].reason, reason);
    assert.match((await server.http.get('/metrics')).text, /^model_degraded\{model="tiny"\} 1$/m);
  } finally {
    await server.close();
    await models.close();
    await tiny.close();
  }
});
