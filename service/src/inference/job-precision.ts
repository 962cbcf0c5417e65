import { readCpu } from '../../../models/cpu.ts';
import { modelFolder } from '../../../models/locate.ts';
import { readManifest } from '../../../models/manifest.ts';
import { jobPrecision } from '../../../models/precision.ts';
import type { Config } from '../config/config.ts';
import type { Models } from '../domain/classifier.ts';
import { isAppError } from '../domain/errors.ts';
import type { Precision } from '../domain/precision.ts';

/**
 * Returns a function that chooses the precision of a job when it is planned, so that its rows never mix precisions. Local
 * workers run on this CPU and use the precision that it serves. On AWS each worker may get another CPU, so the precision is
 * one that all run. An unknown model gets PRECISION, or undefined if that is `auto`.
 */
export function createJobPrecision(
  config: Pick<Config, 'JOBS' | 'ENGINE' | 'PRECISION' | 'modelsDir'>,
  models?: Models,
): (model: string) => Promise<Precision | undefined> {
  return async (model) => {
    const isLocal = config.JOBS === 'local';
    const served = isLocal && models?.ready ? models.list().find(({ name }) => name === model) : undefined;
    if (served) return served.precision;
    if (isLocal && config.ENGINE === 'wasm') return 'float32';
    try {
      const manifest = await readManifest(modelFolder(config.modelsDir, model));
      return jobPrecision(manifest, config.PRECISION, isLocal ? readCpu() : undefined);
    } catch (error) {
      // The dispatcher's bundle has no models: the stack sets its PRECISION.
      if (isAppError(error, 'MODEL_NOT_FOUND'))
        return config.PRECISION === 'auto' ? undefined : config.PRECISION;
      throw error;
    }
  };
}
