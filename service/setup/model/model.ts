import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CompileOptions } from '../../../models/compiler/compile.ts';
import { rangesFile } from '../../../models/compiler/ranges.ts';
import { VARIANTS, type Variant } from '../../../models/compiler/variants.ts';
import { modelFolders } from '../../../models/folders.ts';
import type { Manifest } from '../../../models/manifest.ts';
import { compiledFrom, sourceFolder } from '../../../models/paths.ts';
import { isCompiled } from '../../../models/precision.ts';
import { type SetupContext, workFolder } from '../context.ts';
import type { Hasher } from '../hasher.ts';
import { withStep } from '../progress.ts';
import { runCommand } from '../run-command.ts';
import { inspectSealedFolder, makeSealedFolder } from '../sealed-folder.ts';
import { ensureSource, inspectSource } from './fetch-source.ts';

const COMPILE_TIMEOUT_MS = 10 * 60 * 1000;
const MADE_FROM = 'made-from.txt';

/** A model by its card and the folder that the card lies in. */
export interface KnownModel {
  readonly manifest: Manifest;
  readonly folder: string;
}

/** What a model is compiled to on every machine of this architecture, so that a cache works on another CPU. */
export async function variantsFor({ manifest, folder }: KnownModel, arch = process.arch): Promise<Variant[]> {
  if (!isCompiled(manifest)) return [];
  if (arch !== 'x64') return ['float32-portable'];
  return (await readText(rangesFile(folder))) === undefined
    ? VARIANTS.filter((variant) => variant !== 'int8')
    : [...VARIANTS];
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
    ...variants.map((variant) =>
      inspectCompiled(model, variant, compiledOf(cacheDir, manifest, variant), hasher),
    ),
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
    const fault = await inspectCompiled(model, variant, target, hasher);
    if (fault === undefined) continue;
    if (fault !== 'missing') {
      progress.notice('model', `${variant} is compiled again: ${fault}`);
    }
    wanted.push({ target, variant });
  }
  if (wanted.length > 0) await compileAll(model, source, wanted, context);
}

const compiledOf = (cacheDir: string, manifest: Manifest, variant: Variant) =>
  modelFolders(cacheDir, manifest).compiled(variant);

const readText = (file: string): Promise<string | undefined> =>
  readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });

/** See compiledFrom; the ranges matter to int8 only. */
async function madeFrom({ manifest, folder }: KnownModel, variant: Variant): Promise<string> {
  return compiledFrom(manifest, variant === 'int8' ? await readText(rangesFile(folder)) : undefined);
}

/** As inspectSealedFolder, and whether this compiler made it of these source files. */
async function inspectCompiled(
  model: KnownModel,
  variant: Variant,
  folder: string,
  hasher: Hasher,
): Promise<string | undefined> {
  const fault = await inspectSealedFolder(folder, hasher);
  if (fault !== undefined) return fault;
  const recorded = await readText(join(folder, MADE_FROM));
  return recorded === (await madeFrom(model, variant)) ? undefined : 'compiler or model changed';
}

async function compileAll(
  model: KnownModel,
  source: string,
  wanted: readonly { target: string; variant: Variant }[],
  context: SetupContext,
): Promise<void> {
  const { manifest, folder } = model;
  const { cacheDir, hasher, progress, environment, root } = context;
  const pixels = manifest.task === 'image-classification' ? manifest.input : undefined;
  const ranges = { file: rangesFile(folder), version: manifest.version };
  const total = wanted.length;
  const step = progress.start('model', `compiling ${manifest.name}`, { total, unit: 'items' });
  const script = fileURLToPath(new URL('./compile-child.js', import.meta.url));
  let finished = 0;
  const queue = [...wanted];
  const work = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { target, variant } = next;
      await makeSealedFolder(target, workFolder(cacheDir), hasher, async (outDir) => {
        const modelJson = join(source, manifest.entry);
        const options: CompileOptions = { modelJson, outDir, variant, pixels, ranges };
        await runCommand(process.execPath, [script, JSON.stringify(options)], {
          cwd: root,
          env: environment,
          timeoutMs: COMPILE_TIMEOUT_MS,
        });
        await writeFile(join(outDir, MADE_FROM), await madeFrom(model, variant));
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
