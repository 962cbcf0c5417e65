// Image build: fetches and compiles every model in models/ with set-up's own code, and lays what running needs into the
// folder given as the first argument. The second one lists the variants to keep, as <precision>-<stage>:
//
//   float32-inputs      100 MB  starts in 0.6 s, takes 0.6 GB of memory; the least an image must hold
//   float32-constants   100 MB  answers one image a third faster, takes 1.9 GB
//   bfloat16-inputs      50 MB  twice as fast where the CPU has bfloat16 (Sapphire Rapids, Zen 4 and later)
//   bfloat16-constants   50 MB
//
// The layers model's own weights (100 MB) are left out: only the WebAssembly engine reads them.
import { cp, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { modelFolders } from '../../dist/models/folders.js';
import { ensureModel } from '../../dist/service/src/setup/model.js';
import { findModels } from '../../dist/service/src/setup/prepare.js';
import { buildContext, end } from './context.mjs';

const [out = '', list = ''] = process.argv.slice(2);
const variants = list.split(',').map((name) => {
  const [, precision, stage] = /^(float32|bfloat16)-(inputs|constants)$/.exec(name) ?? [];
  if (!precision) throw new Error(`MODEL_VARIANTS: there is no variant ${JSON.stringify(name)}`);
  return { precision, stage };
});

const context = await buildContext();
for (const model of await findModels(join(context.root, 'models'), undefined)) {
  const { manifest } = model;
  await ensureModel(model, variants, context);
  const from = modelFolders(context.cacheDir, manifest);
  const to = modelFolders(out, manifest);
  for (const { precision, stage } of variants) {
    await cp(from.compiled(precision, stage), to.compiled(precision, stage), { recursive: true });
  }
  if (manifest.source.npm !== undefined) {
    const labels = join(to.source, manifest.output.labels);
    await mkdir(dirname(labels), { recursive: true });
    await cp(join(from.source, manifest.output.labels), labels);
  }
}
await end(context, 0);
