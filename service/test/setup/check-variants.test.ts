import assert from 'node:assert/strict';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readCheck } from '../../../models/checks.ts';
import { readCpu } from '../../../models/cpu.ts';
import { defaultModelsDir, modelFolders } from '../../../models/folders.ts';
import { readManifest } from '../../../models/manifest.ts';
import { checkVariants, uncheckedVariants } from '../../setup/model/check-variants.ts';
import { loadConfig } from '../../src/config/config.ts';
import { tensorflowMissing } from '../helpers/example-models.ts';
import { testContext } from './support/context.ts';
import { root, temporaryFolder } from './support/folders.ts';

test('a variant with wrong answers on this CPU is left out, and one line says so', {
  skip: tensorflowMissing,
}, async (t) => {
  const shipped = join(defaultModelsDir(), 'resnet50');
  const manifest = await readManifest(shipped);
  const folder = join(await temporaryFolder(t), 'resnet50');
  await cp(shipped, folder, { recursive: true });
  // One sample is said to show something else: what a miscomputing kernel would look like.
  const answers = { 'balloon.jpg': { index: 1, probability: 0.9 } };
  await writeFile(join(folder, 'samples', 'answers.json'), JSON.stringify(answers));
  const cacheDir = join(folder, 'cache');
  const [cached, copied] = [loadConfig().cacheDir, cacheDir].map((each) =>
    modelFolders(each, manifest).compiled('int8'),
  );
  assert.ok(cached && copied);
  await mkdir(join(copied, '..'), { recursive: true });
  await cp(cached, copied, { recursive: true, filter: (path) => !path.endsWith('checks.json') });
  const context = testContext({ root, cacheDir });
  const model = { manifest, folder };
  assert.deepEqual(await uncheckedVariants(model, ['int8'], context), ['int8']);
  await checkVariants(model, ['int8'], context);
  assert.match(
    (await readCheck(copied, readCpu())) ?? '',
    /samples\/balloon.jpg: class 417 with 0\.\d+ instead of 1/,
  );
  const notices = context.lines.filter((line) => line.startsWith('model! '));
  assert.equal(notices.length, 1);
  assert.match(notices[0] ?? '', /resnet50: int8 is not used on this CPU \(\w+\): .*balloon/);
  assert.deepEqual(
    await uncheckedVariants(model, ['int8'], context),
    [],
    'it is not tried again at each start',
  );
});
