// Image build: downloads and compiles every model in models/ with the set-up code, and copies the files that the service
// needs to the directory in the first argument. The second argument lists the variants to keep; empty means DEFAULTS.
//
//   int8              26 MB  the fastest on every x86-64 CPU
//   float32          102 MB  for PRECISION=float32, and for models without ranges.json
//   bfloat16          51 MB  faster than float32 on CPUs with AVX512-BF16 (Sapphire Rapids, Zen 4 and later)
//   float32-portable 102 MB  the only variant for arm64; on x86-64, for TF_ENABLE_ONEDNN_OPTS=0
//
// The layers model's own weights (100 MB) are left out: only the WebAssembly engine reads them.
import { cp, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { VARIANTS } from '../../dist/models/compiler/variants.js';
import { modelFolders } from '../../dist/models/folders.js';
import { ensureModel, variantsFor } from '../../dist/service/setup/model/model.js';
import { findModels } from '../../dist/service/setup/prepare.js';
import { buildContext } from './context.mjs';

/** By process.arch. Every image has float32: every model and every CPU supports it. */
const DEFAULTS = { x64: ['int8', 'float32'], arm64: ['float32-portable'] };

const [out = '', list = ''] = process.argv.slice(2);
const wanted = list === '' ? (DEFAULTS[process.arch] ?? ['float32-portable']) : list.split(',');
const unknown = wanted.find((name) => !VARIANTS.includes(name));
if (unknown !== undefined) {
  throw new Error(
    `MODEL_VARIANTS: unknown variant ${JSON.stringify(unknown)}; available: ${VARIANTS.join(', ')}`,
  );
}

const context = await buildContext();
for (const model of await findModels(join(context.root, 'models'), undefined)) {
  const { manifest } = model;
  const possible = await variantsFor(model);
  const variants = possible.filter((variant) => wanted.includes(variant));
  if (possible.length > 0 && variants.length === 0) {
    throw new Error(
      `MODEL_VARIANTS=${wanted}: ${manifest.name} has none of them on ${process.arch}; available: ${possible.join(', ')}`,
    );
  }
  await ensureModel(model, variants, context);
  const from = modelFolders(context.cacheDir, manifest);
  const to = modelFolders(out, manifest);
  for (const variant of variants) {
    await cp(from.compiled(variant), to.compiled(variant), { recursive: true });
  }
  if (manifest.source.npm !== undefined) {
    const labels = join(to.source, manifest.output.labels);
    await mkdir(dirname(labels), { recursive: true });
    await cp(join(from.source, manifest.output.labels), labels);
  }
}
