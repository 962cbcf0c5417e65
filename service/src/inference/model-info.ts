import type { Manifest } from '../../../models/manifest.ts';
import type { CommonModelInfo } from '../domain/model-info.ts';
import type { Engine } from './engines/engine.ts';

export function commonInfo(
  { name, version, description, licence, metrics }: Manifest,
  labels: readonly string[],
  { status, ready }: Pick<Engine, 'status' | 'ready'>,
): Omit<CommonModelInfo, 'task'> {
  return { name, version, description, licence, ...status, ready, labels, metrics };
}
