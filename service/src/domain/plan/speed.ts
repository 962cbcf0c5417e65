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
 * ResNet-50 in float32 on two cores with AVX-512, medians of one machine in one sitting; ratios rather than promises.
 * Decoding was measured at 0.19 and at 12 megapixels (5 and 24 ms; sharp shrinks while it decodes): a line through both.
 */
const DOCUMENTED = {
  cores: 2,
  inferenceSeconds: 0.035,
  batchInferenceSeconds: 0.03,
  decodeSeconds: 0.0047,
  decodeSecondsPerMegapixel: 0.0016,
} as const;

/** The documented speed, for pictures of this size. */
export function documentedSpeed(size: PictureSize): Speed {
  const decodeSeconds = DOCUMENTED.decodeSeconds + DOCUMENTED.decodeSecondsPerMegapixel * megapixelsOf(size);
  return {
    where: 'a machine of two cores',
    source: 'documented: ResNet-50, TensorFlow, float32, two cores with AVX-512',
    engine: 'tensorflow',
    precision: 'float32',
    cores: DOCUMENTED.cores,
    decodeSeconds,
    inferenceSeconds: DOCUMENTED.inferenceSeconds,
    batchSeconds: DOCUMENTED.batchInferenceSeconds + decodeSeconds / DOCUMENTED.cores,
  };
}

/**
 * The speed to expect of AWS: what was measured only if it was measured with what runs there. bfloat16 needs CPUs that
 * Lambda and Fargate do not promise, and WebAssembly is what a machine without TensorFlow falls back to.
 */
export function speedOnAws(here: Speed, size: PictureSize): Speed {
  return here.engine === 'tensorflow' && here.precision === 'float32' ? here : documentedSpeed(size);
}
