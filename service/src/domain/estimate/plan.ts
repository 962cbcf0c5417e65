import { type Estimate, estimateAll, type PlanInput } from './estimate.ts';
import type { PictureSize } from './picture-size.ts';
import { PRICES } from './prices.ts';
import { type Speed, speedOnAws } from './speed.ts';

/** What many pictures take and cost, each way there is, with the arithmetic; the command line and the page show it. */
export interface Plan {
  readonly images: number;
  readonly size: PictureSize;
  readonly speed: { readonly here: Speed; readonly aws: Speed };
  readonly prices: { readonly recordedOn: string; readonly region: string; readonly currency: 'USD' };
  readonly estimates: readonly Estimate[];
  /** What the figures leave out, and what will not work. */
  readonly notes: readonly string[];
}

/** @param here how fast the machine is that asks, or the documented speed */
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

/** What goes through API Gateway to Lambda: 6 MB with base64 around it, 10 MB at the gateway. */
const MAX_LAMBDA_IMAGE_BYTES = 4.5e6;

function notesOn(
  { lambdaMemoryMb, architecture }: PlanInput,
  size: PictureSize,
  here: Speed,
  aws: Speed,
): string[] {
  const notes: string[] = [];
  if (aws.source !== here.source) {
    notes.push(
      `AWS rows use the documented speed of ${aws.precision} with AVX2, which every CPU there has, not that of this machine (${here.engine}, ${here.precision})`,
    );
  }
  notes.push(
    'times on AWS take speed to grow with vCPUs, and leave out upload and cold starts; measure there before you rely on it',
  );
  if (size.bytes > MAX_LAMBDA_IMAGE_BYTES) {
    notes.push(
      'files over 4.5 MB do not fit through API Gateway to Lambda: make them smaller, or use a batch job',
    );
  }
  if (lambdaMemoryMb < 1024) notes.push('the model needs about 1,024 MB of Lambda memory');
  if (architecture === 'arm64') notes.push('the speeds were measured on x86_64');
  return notes;
}
