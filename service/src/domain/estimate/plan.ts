import { type Estimate, estimateAll, type PlanInput } from './estimate.ts';
import type { PictureSize } from './picture-size.ts';
import { PRICES } from './prices.ts';
import { type Speed, speedOnAws } from './speed.ts';

/** Time and cost of many images at each place, with the arithmetic. */
export interface Plan {
  readonly images: number;
  readonly size: PictureSize;
  readonly speed: { readonly here: Speed; readonly aws: Speed };
  readonly prices: { readonly recordedOn: string; readonly region: string; readonly currency: 'USD' };
  readonly estimates: readonly Estimate[];
  /** What the figures do not include, and what will not work. */
  readonly notes: readonly string[];
}

/** @param here the measured speed of this machine, or the documented one */
export function makePlan(input: PlanInput, size: PictureSize, here: Speed): Plan {
  const aws = speedOnAws(here, size);
  const { recordedOn, region } = PRICES;
  return {
    images: input.images,
    size,
    speed: { here, aws },
    prices: { recordedOn, region, currency: 'USD' },
    estimates: estimateAll(input, here, aws),
    notes: notesOn(input, size, here, aws),
  };
}

/** Largest image that passes API Gateway and Lambda: 6 MB with base64. */
const MAX_LAMBDA_IMAGE_BYTES = 4.5e6;

function notesOn({ memory, architecture }: PlanInput, size: PictureSize, here: Speed, aws: Speed): string[] {
  const notes: string[] = [];
  if (aws.source !== here.source) {
    notes.push(
      `AWS rows use the documented speed of ${aws.precision} with AVX2, not that of this machine (${here.engine}, ${here.precision})`,
    );
  }
  notes.push(
    'times on AWS assume that speed scales with vCPUs, without uploads and cold starts; measure there before you rely on them',
  );
  if (size.bytes > MAX_LAMBDA_IMAGE_BYTES) {
    notes.push('files over 4.5 MB do not pass API Gateway and Lambda; shrink them, or use a batch job');
  }
  if (memory < 1024) notes.push('the model needs about 1,024 MB of Lambda memory');
  if (architecture === 'arm64') notes.push('the speeds were measured on x86_64');
  return notes;
}
