import { megapixelsOf, type PictureSize } from './picture-size.ts';

/** How fast a service is; times in seconds. */
export interface Speed {
  /** The machine, e.g. `this machine`. */
  readonly where: string;
  /** Source of the figures, as part of a sentence. */
  readonly source: string;
  readonly engine: string;
  readonly precision: string;
  /** CPU cores used. */
  readonly cores: number;
  /** Decoding and preprocessing one image, on one core. */
  readonly decodeSeconds: number;
  /** Inference of a single image, on all cores. */
  readonly inferenceSeconds: number;
  /** Per image in full batches on all cores, decoding included. */
  readonly batchSeconds: number;
}

/**
 * ResNet-50 in int8 on two cores of an AMD EPYC of the Zen 3 generation (AVX2, no AVX-512), the slowest CPU that Lambda and
 * Fargate assign: the figures need no VNNI, bfloat16 or AMX. Batches of 8 (MAX_BATCH). Decoding is linear between two
 * measurements: 5 ms at 0.19 and 24 ms at 12 megapixels (sharp shrinks while it decodes).
 */
const DOCUMENTED = {
  cores: 2,
  precision: 'int8',
  inferenceSeconds: 0.039,
  batchInferenceSeconds: 0.0325,
  decodeSeconds: 0.0047,
  decodeSecondsPerMegapixel: 0.0016,
} as const;

/** The documented speed for images of this size. */
export function documentedSpeed(size: PictureSize): Speed {
  const decodeSeconds = DOCUMENTED.decodeSeconds + DOCUMENTED.decodeSecondsPerMegapixel * megapixelsOf(size);
  return {
    where: 'a machine of two cores',
    source: 'documented: ResNet-50, TensorFlow, int8, two Zen 3 cores (AVX2)',
    engine: 'tensorflow',
    precision: DOCUMENTED.precision,
    cores: DOCUMENTED.cores,
    decodeSeconds,
    inferenceSeconds: DOCUMENTED.inferenceSeconds,
    batchSeconds: DOCUMENTED.batchInferenceSeconds + decodeSeconds / DOCUMENTED.cores,
  };
}

/**
 * The speed to expect on AWS: the documented one, unless this machine is slower. AWS chooses the CPU, so a faster CPU here
 * does not count.
 */
export function speedOnAws(here: Speed, size: PictureSize): Speed {
  const documented = documentedSpeed(size);
  const isComparable = here.engine === documented.engine && here.precision === documented.precision;
  return isComparable && coreSeconds(here) > coreSeconds(documented) ? here : documented;
}

const coreSeconds = ({ inferenceSeconds, cores }: Speed): number => inferenceSeconds * cores;
