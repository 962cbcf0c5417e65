import { readCheck } from '../../../../models/checks.ts';
import type { Variant } from '../../../../models/compiler/variants.ts';
import { type Cpu, describeCpu, fastestPrecisions, NEEDED_FOR, variantsOf } from '../../../../models/cpu.ts';
import { isInt8Accurate } from '../../../../models/precision.ts';
import { AppError } from '../../domain/errors.ts';
import type { Precision } from '../../domain/precision.ts';
import type { EngineContext } from './select.ts';

/**
 * The compiled variants to try, best first.
 *
 * @throws AppError PRECISION_UNAVAILABLE or INVALID_MODEL if there is none, with what the CPU has and what is needed
 */
export async function runnableVariants(
  { config, folders, manifest }: Pick<EngineContext, 'config' | 'folders' | 'manifest'>,
  cpu: Cpu,
  compiled: readonly Variant[],
): Promise<Variant[]> {
  const { PRECISION } = config;
  const precisions = PRECISION === 'auto' ? fastestPrecisions(cpu, isInt8Accurate(manifest)) : [PRECISION];
  const runnable = precisions.flatMap((precision) => variantsOf(cpu, precision));
  const present = runnable.filter((variant) => compiled.includes(variant));
  // A variant that set-up has not checked on this kind of CPU (in an image, in a shared cache) is tried.
  const results = await Promise.all(present.map((each) => readCheck(folders.compiled(each), cpu)));
  const found = present.filter((_, index) => (results[index] ?? 'ok') === 'ok');
  if (found.length > 0) return found;
  const wanted: Precision = PRECISION === 'auto' ? 'float32' : PRECISION;
  if (runnable.length > 0 && present.length === 0) {
    const hint =
      wanted === 'int8' ? `npm run calibrate -- ${manifest.name} <folder of pictures>` : 'npm run setup';
    const message = `${manifest.name} is not compiled for PRECISION=${wanted}; run \`${hint}\``;
    throw new AppError('INVALID_MODEL', message);
  }
  const message = `PRECISION=${wanted} needs ${NEEDED_FOR[wanted]}; this is ${describeCpu(cpu)}`;
  throw new AppError('PRECISION_UNAVAILABLE', message);
}
