import { readCpu } from '../../../models/cpu.ts';
import { modelFolder } from '../../../models/locate.ts';
import { readManifest } from '../../../models/manifest.ts';
import { jobPrecision } from '../../../models/precision.ts';
import type { Config } from '../config/config.ts';
import type { Models } from '../domain/classifier.ts';
import { isAppError } from '../domain/errors.ts';
import type { Precision } from '../domain/precision.ts';

/**
 * Returns a function that decides the precision of a job when it is planned, so that its rows never mix precisions. Local
 * workers share this process's CPU and use what it serves; on AWS each worker may get another CPU, so it is one that all
 * run. A model that is not known here gets PRECISION; undefined where that is `auto`.
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
      // The dispatcher is a bundle without models: the stack tells it the precision.
      if (isAppError(error, 'MODEL_NOT_FOUND'))
        return config.PRECISION === 'auto' ? undefined : config.PRECISION;
      throw error;
    }
  };
}
