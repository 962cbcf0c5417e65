import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Variant } from '../../../models/compiler/variants.ts';
import { describeCpu, ISA_LEVELS, type Isa, readCpu, variantsOf } from '../../../models/cpu.ts';
import { modelFolders } from '../../../models/folders.ts';
import { readManifest } from '../../../models/manifest.ts';
import { loadConfig } from '../../src/config/config.ts';
import { PRECISIONS } from '../../src/domain/precision.ts';
import type { RuntimeSpec } from '../../src/inference/engines/runtimes/runtime.ts';
import { loadAddon } from '../../src/inference/engines/runtimes/tensorflow-addon.ts';
import { findNodeVersions, NODE_MISSING } from '../helpers/node-versions.ts';
import { fromRoot } from '../helpers/root.ts';

// Node versions x instruction sets x variants, each in a process of its own as in set-up: none of them can rot unseen.

const PROGRAM = fileURLToPath(new URL('../../accuracy/check-variant.js', import.meta.url));
const MODEL = fromRoot('models', 'resnet50');
const TIMEOUT_MS = 120_000;

/** A setting of the environment that makes this CPU a weaker one. */
interface Level {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
}

const capped = (isa: Isa): Level => ({ name: isa, env: { ONEDNN_MAX_CPU_ISA: isa } });

/** This process's own caps must not hide a level. */
const { ONEDNN_MAX_CPU_ISA: _, TF_ENABLE_ONEDNN_OPTS: __, ...clean } = process.env;
const native = readCpu({ environment: clean });

const NATIVE: Level = { name: `${native.isa} (native)`, env: {} };
const WITHOUT_ONEDNN: Level = { name: 'oneDNN off', env: { TF_ENABLE_ONEDNN_OPTS: '0' } };
const below = ISA_LEVELS.slice(ISA_LEVELS.indexOf('SSE41'), Math.max(0, ISA_LEVELS.indexOf(native.isa)));
/** Elsewhere than on x86-64 there is one variant and nothing to cap. */
const allLevels = native.arch === 'x64' ? [NATIVE, ...below.map(capped), WITHOUT_ONEDNN] : [NATIVE];
const fewLevels = [NATIVE, ...below.filter((isa) => isa === 'AVX2').map(capped)];

function variantsAt({ env }: Level): Variant[] {
  const cpu = readCpu({ environment: { ...clean, ...env } });
  return PRECISIONS.flatMap((precision) => variantsOf(cpu, precision));
}

const manifest = await readManifest(MODEL);
const folders = modelFolders(loadConfig().cacheDir, manifest);

/** Runs `args` in a process of its own. @returns undefined, or what is wrong in one line */
function run(node: string, args: readonly string[], env: Level['env'] = {}): Promise<string | undefined> {
  return new Promise((done) => {
    const options = { env: { ...clean, TF_CPP_MIN_LOG_LEVEL: '2', ...env }, timeout: TIMEOUT_MS };
    execFile(node, args, options, (error, _stdout, stderr) => {
      if (!error) return done(undefined);
      const end = error.signal ? `signal ${error.signal}` : `exit status ${error.code}`;
      const lines = stderr.trim().split('\n');
      done(`${end}: ${lines.find((line) => /^(error|\w*Error):/.test(line)) ?? lines.at(-1)}`);
    });
  });
}

/** Opens the model as it was published, with all of tfjs-node, which calls functions that Node 23 removed. */
const LAYERS_MODEL = `
  const { loadTensorFlowModel } = await import(process.argv[1]);
  const { infer } = await loadTensorFlowModel(JSON.parse(process.argv[2]));
  const shares = await infer(new Uint8Array(224 * 224 * 3).fill(100), 1);
  const sum = shares.reduce((total, share) => total + share, 0);
  if (shares.length !== 1000 || Math.abs(sum - 1) > 1e-3) throw new Error('the shares sum to ' + sum);
  process.exit();
`;
const layersModel: RuntimeSpec = {
  engine: 'tensorflow',
  format: 'tfjs-layers',
  path: join(folders.source, manifest.entry),
  inputShape: [224, 224, 3],
  classes: 1000,
  ...(manifest.task === 'image-classification' ? { image: manifest.input } : {}),
};

function findMissing(): string | false {
  try {
    loadAddon();
  } catch (error) {
    return `needs TensorFlow, which npm start sets up: ${(error as Error).message}`;
  }
  return existsSync(join(folders.source, 'LICENSE')) ? false : 'needs the model, which npm start sets up';
}
const missing = findMissing();

for (const { major, program, isRunning } of findNodeVersions()) {
  const skip = missing || (program === undefined && `needs Node ${major}: ${NODE_MISSING}`);
  const concurrency = Math.min(2, availableParallelism());
  describe(`compiled models on Node ${major}, ${describeCpu(native)}`, { concurrency }, () => {
    for (const level of isRunning ? allLevels : fewLevels) {
      const variants = variantsAt(level);
      it(`runs ${variants.join(', ')} at ${level.name}`, { skip }, async () => {
        assert.ok(variants.length > 0, `${level.name} has a variant`);
        const faults: string[] = [];
        for (const variant of variants) {
          const fault = await run(program as string, [PROGRAM, folders.compiled(variant), MODEL], level.env);
          if (fault !== undefined) faults.push(`${variant}: ${fault}`);
        }
        assert.deepEqual(faults, []);
      });
    }

    it('opens the published layers model', { skip }, async () => {
      const source = new URL('../../src/inference/engines/runtimes/tensorflow.js', import.meta.url).href;
      const script = ['--input-type=module', '-e', LAYERS_MODEL, source, JSON.stringify(layersModel)];
      assert.equal(await run(program as string, script), undefined);
    });
  });
}
