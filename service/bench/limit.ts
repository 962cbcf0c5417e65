import { availableParallelism } from 'node:os';
import type { Variant } from '../../models/compiler/variants.ts';
import { findImageModel } from '../accuracy/model.ts';
import { decode } from '../src/inference/image/decode.ts';
import { type EngineCosts, nameOf } from './engine.ts';
import { photographs } from './load.ts';
import { median } from './table.ts';

const ROUNDS = 7;
const PICTURES = 64;

/** CPU time for decoding one of `photographs`, in milliseconds; the median of the rounds. */
export async function decodeCpuMs(): Promise<number> {
  const { input } = (await findImageModel('resnet50')).manifest;
  const pictures = await photographs(PICTURES);
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.cpuUsage();
    for (const bytes of pictures) await decode(bytes, input, { maxPixels: 1e8 });
    const { user, system } = process.cpuUsage(start);
    rounds.push((user + system) / 1000 / PICTURES);
  }
  return median(rounds);
}

/** Pictures per second if all cores only decode and infer. */
export const limitOf = (engines: EngineCosts, variant: Variant, decodeMs: number): number =>
  (1000 * availableParallelism()) / ((engines.get(nameOf(variant)) ?? Number.NaN) + decodeMs);
