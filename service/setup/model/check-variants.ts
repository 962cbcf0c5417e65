import { fileURLToPath } from 'node:url';
import { readCheck, writeCheck } from '../../../models/checks.ts';
import type { Variant } from '../../../models/compiler/variants.ts';
import { precisionOf } from '../../../models/compiler/variants.ts';
import { readCpu, variantsOf } from '../../../models/cpu.ts';
import { modelFolders } from '../../../models/folders.ts';
import type { SetupContext } from '../context.ts';
import { describeFailure } from '../failure.ts';
import { withStep } from '../progress.mjs';
import { runCommand } from '../run-command.ts';
import type { KnownModel } from './model.ts';

const TIMEOUT_MS = 2 * 60 * 1000;
const PROGRAM = fileURLToPath(new URL('../../accuracy/check-variant.js', import.meta.url));

/** The variants for this CPU that set-up has not run on it yet. */
export async function uncheckedVariants(
  { manifest }: KnownModel,
  variants: readonly Variant[],
  { cacheDir, environment }: SetupContext,
): Promise<Variant[]> {
  const cpu = readCpu({ environment });
  const folders = modelFolders(cacheDir, manifest);
  const here = variants.filter((variant) => variantsOf(cpu, precisionOf(variant)).includes(variant));
  const results = await Promise.all(here.map((variant) => readCheck(folders.compiled(variant), cpu)));
  return here.filter((_, index) => results[index] === undefined);
}

/**
 * Runs each variant once on this CPU and compares the predictions for the model's samples with the known ones. A variant
 * that fails is reported and not used here.
 */
export async function checkVariants(
  model: KnownModel,
  variants: readonly Variant[],
  context: SetupContext,
): Promise<void> {
  const { manifest, folder } = model;
  const { cacheDir, environment, progress, root } = context;
  const unchecked = await uncheckedVariants(model, variants, context);
  if (unchecked.length === 0) return;
  const cpu = readCpu({ environment });
  const folders = modelFolders(cacheDir, manifest);
  const failures: string[] = [];
  const step = progress.start('model', `checking ${manifest.name} on this CPU`, {
    total: unchecked.length,
    unit: 'items',
  });
  await withStep(
    step,
    () => `${manifest.name} checked on ${cpu.isa} (${unchecked.join(', ')})`,
    async () => {
      for (const [index, variant] of unchecked.entries()) {
        const compiled = folders.compiled(variant);
        try {
          await runCommand(process.execPath, [PROGRAM, compiled, folder], {
            cwd: root,
            env: { ...environment, TF_CPP_MIN_LOG_LEVEL: '2' },
            timeoutMs: TIMEOUT_MS,
          });
          await writeCheck(compiled, cpu, 'ok');
        } catch (error) {
          const reason = describeFailure(error);
          await writeCheck(compiled, cpu, reason);
          failures.push(`${manifest.name}: ${variant} is not used on this CPU (${cpu.isa}): ${reason}`);
        }
        step.update(index + 1);
      }
    },
  );
  for (const failure of failures) progress.notice('model', failure);
}
