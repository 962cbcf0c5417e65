import { megapixelsOf, type PictureSize } from './picture-size.ts';

/** How fast a service is; times in seconds. */
export interface Speed {
  /** What is this fast, e.g. `this machine`. */
  readonly where: string;
  /** Where the figures come from, as a sentence part. */
  readonly source: string;
  readonly engine: string;
  readonly precision: string;
  /** CPU cores that were at work. */
  readonly cores: number;
  /** Decoding and preprocessing one image, on one core. */
  readonly decodeSeconds: number;
  /** One image through the model by itself, on all cores. */
  readonly inferenceSeconds: number;
  /** An image when there are always more: full batches on all cores, decoding beside. */
  readonly batchSeconds: number;
}

/**
 * ResNet-50 in int8 on two cores of an AMD EPYC of the Zen 3 generation: AVX2, no AVX-512. Lambda and Fargate choose the
 * CPU, and this is the weakest kind they hand out, so the figures are no promise that depends on VNNI, bfloat16 or AMX.
 * Batches are those of 8 (MAX_BATCH). Decoding was measured at 0.19 and 12 megapixels (5 and 24 ms; sharp shrinks while it decodes): a
 * line through both.
 */
const DOCUMENTED = {
  cores: 2,
  precision: 'int8',
  inferenceSeconds: 0.039,
  batchInferenceSeconds: 0.0325,
  decodeSeconds: 0.0047,
  decodeSecondsPerMegapixel: 0.0016,
} as const;

/** The documented speed, for pictures of this size. */
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
 * The speed to expect on AWS: the documented one, unless this machine is slower. Lambda and Fargate choose the CPU, so a
 * measurement on a faster CPU promises nothing.
 */
export function speedOnAws(here: Speed, size: PictureSize): Speed {
  const documented = documentedSpeed(size);
  const isComparable = here.engine === documented.engine && here.precision === documented.precision;
  return isComparable && coreSeconds(here) > coreSeconds(documented) ? here : documented;
}

const coreSeconds = ({ inferenceSeconds, cores }: Speed): number => inferenceSeconds * cores;
