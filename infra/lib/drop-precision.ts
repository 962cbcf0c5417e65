import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '../../models/manifest.ts';
import { jobPrecision } from '../../models/precision.ts';
import type { Precision } from '../../service/src/domain/precision.ts';
import { repositoryRoot } from './repository-root.ts';

/** The model of dropped images: the default of MODEL, because the stack does not set it. */
const MODEL = 'resnet50';

/**
 * The precision of jobs for dropped images. It is fixed at synthesis: the dispatcher's bundle has no manifest, and workers
 * on different CPUs would mix precisions in one job.
 */
export function dropPrecision(): Precision {
  const file = join(repositoryRoot(), 'models', MODEL, 'manifest.json');
  return jobPrecision(JSON.parse(readFileSync(file, 'utf8')) as Manifest, 'auto', undefined);
}
