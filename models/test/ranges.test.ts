import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { loadConfig } from '../../service/src/config/config.ts';
import { compileLayersModel } from '../compiler/compile.ts';
import { readRanges } from '../compiler/ranges.ts';
import { defaultModelsDir, modelFolders } from '../folders.ts';
import { type ImageManifest, readManifest } from '../manifest.ts';

const shipped = join(defaultModelsDir(), 'resnet50');
const manifest = (await readManifest(shipped)) as ImageManifest;
let folder = '';
before(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'ranges-')), 'mine');
  await mkdir(folder);
});
after(() => rm(folder, { recursive: true, force: true }));

async function withRanges(
  change: (document: { version: string; ranges: Record<string, unknown> }) => string | object,
) {
  const file = join(folder, 'ranges.json');
  const changed = change(JSON.parse(await readFile(join(shipped, 'ranges.json'), 'utf8')));
  await writeFile(file, typeof changed === 'string' ? changed : JSON.stringify(changed));
  return file;
}

test('the ranges that ResNet-50 ships are for its version and name every convolution', async () => {
  const { ranges, version } = await readRanges(join(shipped, 'ranges.json'), manifest.version);
  assert.equal(version, manifest.version);
  assert.equal(Object.keys(ranges).length, 53);
});

test('int8 without ranges names the command that makes them', async () => {
  await assert.rejects(readRanges(join(folder, 'none', 'ranges.json'), '1'), {
    code: 'INVALID_MODEL',
    message: /PRECISION=int8 needs none\/ranges.json; create it with `npm run calibrate -- none/,
  });
});

for (const [what, change, message] of [
  [
    'for another version',
    (d) => ({ ...d, version: '9' }),
    /mine\/ranges.json: is for version 9, but the model has version 1.0.4/,
  ],
  ['cut short', (d) => JSON.stringify(d).slice(0, 300), /mine\/ranges.json: is not valid JSON/],
  [
    'with a zero',
    (d) => ({ ...d, ranges: { ...d.ranges, activation: 0 } }),
    /the range of "activation" is 0/,
  ],
  [
    'with null for NaN',
    (d) => ({ ...d, ranges: { ...d.ranges, activation: Number.NaN } }),
    /"activation" is null/,
  ],
  ['with a text', (d) => ({ ...d, ranges: { ...d.ranges, activation: '1' } }), /"activation" is "1"/],
  ['with a negative value', (d) => ({ ...d, ranges: { ...d.ranges, activation: -1 } }), /"activation" is -1/],
] as [string, Parameters<typeof withRanges>[0], RegExp][]) {
  test(`ranges ${what} are rejected by name`, async () => {
    const file = await withRanges(change);
    await assert.rejects(readRanges(file, manifest.version), { code: 'INVALID_MODEL', message });
  });
}

test('a convolution without its range is rejected by name', async () => {
  const file = await withRanges(({ ranges: { activation_7: _, ...ranges }, ...rest }) => ({
    ...rest,
    ranges,
  }));
  const { cacheDir } = loadConfig();
  const compiling = compileLayersModel({
    modelJson: join(modelFolders(cacheDir, manifest).source, manifest.entry),
    outDir: join(folder, 'out'),
    variant: 'int8',
    pixels: manifest.input,
    ranges: { file, version: manifest.version },
  });
  await assert.rejects(compiling, {
    code: 'INVALID_MODEL',
    message: /the range of "activation_7" is missing/,
  });
});
