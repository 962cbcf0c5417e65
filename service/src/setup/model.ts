import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CompileOptions } from '../../../models/compiler/compile.ts';
import { ensureSource, inspectSource } from '../../../models/fetch.ts';
import { modelFolders } from '../../../models/folders.ts';
import type { Manifest } from '../../../models/manifest.ts';
import { compiledFrom, sourceFolder } from '../../../models/paths.ts';
import { type SetupContext, workFolder } from './context.ts';
import { cpuHasBfloat16 } from './cpu.ts';
import type { Hasher } from './hasher.ts';
import { withStep } from './progress.ts';
import { runCommand } from './run-command.ts';
import { inspectSealedFolder, makeSealedFolder } from './sealed-folder.ts';

const COMPILE_TIMEOUT_MS = 10 * 60 * 1000;
const MADE_FROM = 'made-from.txt';

/** A model by its card and the folder that the card lies in. */
export interface KnownModel {
  readonly manifest: Manifest;
  readonly folder: string;
}

type Variant = Pick<CompileOptions, 'precision' | 'stage'>;

/** What a model is compiled to here: both stages, in float32 and where it pays in bfloat16. */
export function variantsFor(
  precision: 'auto' | 'float32' | 'bfloat16',
  hasBfloat16 = cpuHasBfloat16(),
): Variant[] {
  const precisions: Variant['precision'][] =
    hasBfloat16 || precision === 'bfloat16' ? ['float32', 'bfloat16'] : ['float32'];
  return precisions.flatMap((each) => [
    { precision: each, stage: 'inputs' } as const,
    { precision: each, stage: 'constants' } as const,
  ]);
}

/** True when the source and every variant are in the cache with the right hashes. */
export async function isModelReady(
  model: KnownModel,
  variants: readonly Variant[],
  { cacheDir, hasher }: SetupContext,
): Promise<boolean> {
  const { manifest, folder } = model;
  const faults = await Promise.all([
    inspectSource(manifest, sourceFolder(cacheDir, manifest, folder), hasher),
    ...variants.map((variant) => inspectCompiled(manifest, compiledOf(cacheDir, manifest, variant), hasher)),
  ]);
  return faults.every((fault) => fault === undefined);
}

/** Fetches what is missing of the source and compiles what is missing of the variants. */
export async function ensureModel(
  model: KnownModel,
  variants: readonly Variant[],
  context: SetupContext,
): Promise<void> {
  const { manifest, folder } = model;
  const { cacheDir, hasher, progress } = context;
  const source = sourceFolder(cacheDir, manifest, folder);
  await ensureSource(manifest, source, context);
  const wanted: { target: string; variant: Variant }[] = [];
  for (const variant of variants) {
    const target = compiledOf(cacheDir, manifest, variant);
    const fault = await inspectCompiled(manifest, target, hasher);
    if (fault === undefined) continue;
    if (fault !== 'missing') {
      progress.notice('model', `${variant.precision} ${variant.stage} is compiled anew: ${fault}`);
    }
    wanted.push({ target, variant });
  }
  if (wanted.length > 0) await compileAll(model, source, wanted, context);
}

const compiledOf = (cacheDir: string, manifest: Manifest, { precision, stage }: Variant) =>
  modelFolders(cacheDir, manifest).compiled(precision, stage);

/** As inspectSealedFolder, and whether this compiler made it of these source files. */
async function inspectCompiled(
  manifest: Manifest,
  folder: string,
  hasher: Hasher,
): Promise<string | undefined> {
  const fault = await inspectSealedFolder(folder, hasher);
  if (fault !== undefined) return fault;
  const madeFrom = await readFile(join(folder, MADE_FROM), 'utf8').catch(() => undefined);
  return madeFrom === compiledFrom(manifest) ? undefined : 'another compiler made it';
}

async function compileAll(
  { manifest }: KnownModel,
  source: string,
  wanted: readonly { target: string; variant: Variant }[],
  context: SetupContext,
): Promise<void> {
  const { cacheDir, hasher, progress, environment, root } = context;
  const total = wanted.length;
  const step = progress.start('model', `compiling ${manifest.name}`, { total, unit: 'items' });
  const script = fileURLToPath(new URL('./compile-child.js', import.meta.url));
  let finished = 0;
  const queue = [...wanted];
  const work = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { target, variant } = next;
      await makeSealedFolder(target, workFolder(cacheDir), hasher, async (outDir) => {
        const options: CompileOptions = { ...variant, outDir, modelJson: join(source, manifest.entry) };
        await runCommand(process.execPath, [script, JSON.stringify(options)], {
          cwd: root,
          env: environment,
          timeoutMs: COMPILE_TIMEOUT_MS,
        });
        await writeFile(join(outDir, MADE_FROM), compiledFrom(manifest));
      });
      finished += 1;
      step.update(finished);
    }
  };
  await withStep(
    step,
    () => `${manifest.name} compiled (${total} ${total === 1 ? 'variant' : 'variants'})`,
    async () => {
      const workers = Array.from({ length: Math.min(2, availableParallelism(), total) }, work);
      const failed = (await Promise.allSettled(workers)).find((each) => each.status === 'rejected');
      if (failed) throw failed.reason;
    },
  );
}
