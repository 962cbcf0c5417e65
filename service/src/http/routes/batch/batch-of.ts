import type { Batch } from '../../../batch/batch.ts';
import { AppError } from '../../../domain/errors.ts';
import type { Services } from '../../services.ts';

/** @throws AppError INVALID_REQUEST if the service has no store */
export function batchOf({ batch }: Services): Batch {
  if (!batch) throw new AppError('INVALID_REQUEST', 'no object store is configured; batch jobs need one');
  return batch;
}
