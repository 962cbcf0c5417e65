import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pLimit from 'p-limit';
import type { CompileOptions } from '../../../models/compiler/compile.ts';
import { rangesFile } from '../../../models/compiler/ranges.ts';
import { VARIANTS, type Variant } from '../../../models/compiler/variants.ts';
import { modelFolders } from '../../../models/folders.ts';
import type { Manifest } from '../../../models/manifest.ts';
import { compiledFrom, sourceFolder } from '../../../models/paths.ts';
import { isCompiled } from '../../../models/precision.ts';
import { type SetupContext, workFolder } from '../context.ts';
import { withStep } from '../progress.mjs';
import { runCommand } from '../run-command.ts';
import { inspectSealedFolder, makeSealedFolder } from '../sealed-folder.ts';
import { ensureSource, inspectSource } from './fetch-source.ts';

const COMPILE_TIMEOUT_MS = 10 * 60 * 1000;
/** Each takes about a gigabyte. */
const MAX_COMPILERS = 2;
const MADE_FROM = 'made-from.txt';

/** A manifest and the folder that holds it. */
export interface KnownModel {
  readonly manifest: Manifest;
  readonly folder: string;
}

/** The variants of a model on every machine of this architecture, so that a cache works on another CPU. */
export async function variantsFor({ manifest, folder }: KnownModel, arch = process.arch): Promise<Variant[]> {
  if (!isCompiled(manifest)) return [];
  if (arch !== 'x64') return ['float32-portable'];
  return (await readText(rangesFile(folder))) === undefined
    ? VARIANTS.filter((variant) => variant !== 'int8')
    : [...VARIANTS];
}

/** True if the source and every variant are in the cache. */
export async function isModelReady(
  model: KnownModel,
  variants: readonly Variant[],
  { cacheDir, verify }: SetupContext,
): Promise<boolean> {
  const { manifest, folder } = model;
  const faults = await Promise.all([
    inspectSource(manifest, sourceFolder(cacheDir, manifest, folder), verify),
    ...variants.map((variant) =>
      inspectCompiled(model, variant, compiledOf(cacheDir, manifest, variant), verify),
    ),
  ]);
  return faults.every((fault) => fault === undefined);
}

/** Downloads the source and compiles the variants, as far as they are missing. */
export async function ensureModel(
  model: KnownModel,
  variants: readonly Variant[],
  context: SetupContext,
): Promise<void> {
  const { manifest, folder } = model;
  const { cacheDir, verify, progress } = context;
  const source = sourceFolder(cacheDir, manifest, folder);
  await ensureSource(manifest, source, context);
  const wanted: { target: string; variant: Variant }[] = [];
  for (const variant of variants) {
    const target = compiledOf(cacheDir, manifest, variant);
    const fault = await inspectCompiled(model, variant, target, verify);
    if (fault === undefined) continue;
    if (fault !== 'missing') progress.notice('model', `compiling ${variant} again: ${fault}`);
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

/** Like inspectSealedFolder; also checks that this compiler made it from these source files. */
async function inspectCompiled(
  model: KnownModel,
  variant: Variant,
  folder: string,
  verify: boolean,
): Promise<string | undefined> {
  const fault = await inspectSealedFolder(folder, verify);
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
  const { cacheDir, progress, environment, root } = context;
  const pixels = manifest.task === 'image-classification' ? manifest.input : undefined;
  const ranges = { file: rangesFile(folder), version: manifest.version };
  const total = wanted.length;
  const step = progress.start('model', `compiling ${manifest.name}`, { total, unit: 'items' });
  const script = fileURLToPath(new URL('./compile-child.js', import.meta.url));
  let finished = 0;
  const compile = async ({ target, variant }: (typeof wanted)[number]) => {
    await makeSealedFolder(target, workFolder(cacheDir), async (outDir) => {
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
  };
  await withStep(
    step,
    () => `${manifest.name} compiled (${total} ${total === 1 ? 'variant' : 'variants'})`,
    async () => {
      const limit = pLimit(Math.min(MAX_COMPILERS, availableParallelism()));
      // All of them end before a failure is thrown: the work folder is removed then.
      const results = await Promise.allSettled(wanted.map((each) => limit(compile, each)));
      const failed = results.find((each) => each.status === 'rejected');
      if (failed) throw failed.reason;
    },
  );
}
