import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pino } from 'pino';
import { writeCheck } from '../../../models/checks.ts';
import { VARIANTS, type Variant } from '../../../models/compiler/variants.ts';
import { type Cpu, readCpu } from '../../../models/cpu.ts';
import { modelFolders } from '../../../models/folders.ts';
import { readManifest } from '../../../models/manifest.ts';
import { loadConfig } from '../../src/config/config.ts';
import { createEngine } from '../../src/inference/engines/select.ts';
import { tensorflowMissing } from '../helpers/example-models.ts';

const config = loadConfig({ ...process.env, MAX_BATCH: '1' });
const manifest = await readManifest(join(config.modelsDir, 'resnet50'));
const cached = modelFolders(config.cacheDir, manifest);
const native = readCpu();

describe('the choice of a variant', { skip: tensorflowMissing }, () => {
  let cacheDir = '';
  before(async () => {
    cacheDir = await mkdtemp(join(tmpdir(), 'select-'));
  });
  after(() => rm(cacheDir, { recursive: true, force: true }));

  /** A cache that holds just these variants, with these results of set-up's checks. */
  async function cacheWith(variants: readonly Variant[], failed: readonly Variant[] = [], cpu = native) {
    const folders = modelFolders(join(cacheDir, String(Math.random())), manifest);
    await mkdir(folders.source, { recursive: true });
    for (const variant of variants) {
      await cp(cached.compiled(variant), folders.compiled(variant), { recursive: true });
      await rm(join(folders.compiled(variant), 'checks.json'), { force: true });
      if (failed.includes(variant)) await writeCheck(folders.compiled(variant), cpu, 'wrong answers');
    }
    return folders;
  }

  async function precisionOf(
    folders: ReturnType<typeof modelFolders>,
    settings: Partial<Pick<typeof config, 'ENGINE' | 'PRECISION'>> = {},
    cpu: Cpu = native,
  ) {
    const warnings: string[] = [];
    const logger = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(line) });
    const engine = await createEngine({
      config: { ENGINE: 'auto', PRECISION: 'auto', ENGINE_TIMEOUT_MS: 30_000, ...settings },
      manifest,
      folders,
      logger,
      cpu,
    });
    await engine.close();
    return { ...engine.status, warnings };
  }

  it('takes int8 by default if its check passed or has not run', async () => {
    assert.equal((await precisionOf(await cacheWith(VARIANTS))).precision, 'int8');
  });

  it('leaves out a variant that set-up found wrong on this kind of CPU', async () => {
    const { precision } = await precisionOf(await cacheWith(['int8', 'float32-portable'], ['int8']));
    assert.equal(precision, 'float32');
    const isa = native.isa === 'SSE41' ? ('AVX2' as const) : ('SSE41' as const);
    const elsewhere = { ...native, isa };
    const other = await cacheWith(['int8', 'float32-portable'], ['int8'], elsewhere);
    assert.equal(
      (await precisionOf(other)).precision,
      'int8',
      'the result holds for its own kind of CPU only',
    );
  });

  it('tries the next variant if one does not run, and says so', async () => {
    const folders = await cacheWith(['int8', 'float32-portable']);
    await rm(join(folders.compiled('int8'), 'weights.bin'));
    const { precision, warnings } = await precisionOf(folders);
    assert.equal(precision, 'float32');
    assert.match(warnings.join(''), /variant does not run/);
  });

  it('does not fall back to WebAssembly when TensorFlow refuses the model', async () => {
    const folders = await cacheWith(['int8']);
    await rm(join(folders.compiled('int8'), 'weights.bin'));
    await assert.rejects(precisionOf(folders), { code: 'INVALID_MODEL', message: /weights.bin/ });
  });

  it('names the CPU and what PRECISION needs when the CPU does not run it', async () => {
    const zen3 = { model: 'EPYC 7R13', arch: 'x64', isa: 'AVX2', oneDnn: true } as const;
    await assert.rejects(precisionOf(cached, { PRECISION: 'bfloat16' }, zen3), {
      code: 'PRECISION_UNAVAILABLE',
      message:
        'PRECISION=bfloat16 needs an x86-64 CPU with AVX-512, and oneDNN (TF_ENABLE_ONEDNN_OPTS is not 0); this is EPYC 7R13, AVX2',
    });
  });

  it('names the calibrate command when int8 is asked for and not compiled', async () => {
    await assert.rejects(precisionOf(await cacheWith(['float32-portable']), { PRECISION: 'int8' }), {
      code: 'INVALID_MODEL',
      message: /not compiled for PRECISION=int8; run `npm run calibrate -- resnet50 <folder of pictures>`/,
    });
  });

  it('says what ENGINE=wasm costs, and refuses a precision that it lacks', async () => {
    const { engine, degraded } = await precisionOf(cached, { ENGINE: 'wasm' });
    assert.equal(engine, 'wasm');
    assert.match(degraded ?? '', /^ENGINE=wasm; WebAssembly runs the model, \d+ to \d+ times slower/);
    await assert.rejects(precisionOf(cached, { ENGINE: 'wasm', PRECISION: 'int8' }), {
      code: 'PRECISION_UNAVAILABLE',
    });
  });
});
