import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { PRECISIONS, type Variant } from '../../../models/compiler/variants.ts';
import { describeCpu, ISA_LEVELS, type Isa, readCpu, variantsOf } from '../../../models/cpu.ts';
import { modelFolders } from '../../../models/folders.ts';
import { readManifest } from '../../../models/manifest.ts';
import { loadConfig } from '../../src/config.ts';
import { loadAddon } from '../../src/inference/engines/tensorflow-compiled.ts';
import { findNodeVersions, NODE_MISSING } from '../helpers/node-versions.ts';

// Node versions x instruction sets x variants, each in a process of its own as in set-up: none of them can rot unseen.

const PROGRAM = fileURLToPath(new URL('../../accuracy/check-variant.js', import.meta.url));
const MODEL = resolve('models', 'resnet50');
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

const folders = modelFolders(loadConfig().cacheDir, await readManifest(MODEL));

/** Runs one variant in its own process. @returns undefined, or what is wrong in one line */
function run(node: string, { env }: Level, variant: Variant): Promise<string | undefined> {
  return new Promise((done) => {
    execFile(
      node,
      [PROGRAM, folders.compiled(variant), MODEL],
      { env: { ...clean, TF_CPP_MIN_LOG_LEVEL: '2', ...env }, timeout: TIMEOUT_MS },
      (error, _stdout, stderr) => {
        if (!error) return done(undefined);
        const end = error.signal ? `signal ${error.signal}` : `exit status ${error.code}`;
        done(`${variant}: ${end}: ${stderr.trim().split('\n').at(-1)}`);
      },
    );
  });
}

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
        const faults: (string | undefined)[] = [];
        for (const variant of variants) faults.push(await run(program as string, level, variant));
        assert.deepEqual(
          faults.filter((fault) => fault !== undefined),
          [],
        );
      });
    }
  });
}
