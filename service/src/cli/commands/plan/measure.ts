import { availableParallelism } from 'node:os';
import type { ModelInfo } from '../../../domain/classifier.ts';
import type { PictureSize } from '../../../domain/estimate/picture-size.ts';
import type { Speed } from '../../../domain/estimate/speed.ts';
import type { Classification } from '../../../domain/prediction.ts';
import type { ServiceClient } from '../../client/service-client.ts';
import { unexpectedAnswer } from '../../failure.ts';
import { startProgress } from '../../ui/progress.ts';
import type { Terminal } from '../../ui/terminal.ts';

/** Requests one after the other: two to warm up, then these. */
const WARM_UP = 2;
const ALONE = 8;
/** Then as many as come through in this time, so many at once. */
const TOGETHER_MS = 3000;
const AT_ONCE = 16;

/** A picture of this size whose content costs about what a photograph's does. */
export async function makePicture({ width, height }: PictureSize): Promise<Uint8Array<ArrayBuffer>> {
  // The decoder takes a while to load: only for those who measure.
  const { default: sharp } = await import('sharp');
  const small = { width: Math.max(1, Math.ceil(width / 8)), height: Math.max(1, Math.ceil(height / 8)) };
  const noise = { type: 'gaussian', mean: 128, sigma: 50 } as const;
  const coarse = await sharp({ create: { ...small, channels: 3, background: '#000', noise } })
    .png()
    .toBuffer();
  const picture = await sharp(coarse).resize(width, height, { fit: 'fill' }).jpeg({ quality: 90 }).toBuffer();
  return new Uint8Array(picture);
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

/**
 * Measures the service in about five seconds: single requests, then many at once. Its model is busy meanwhile.
 *
 * @throws CommandError of any request
 */
export async function measureSpeed(
  client: ServiceClient,
  size: PictureSize,
  { terminal, signal }: { readonly terminal: Terminal; readonly signal: AbortSignal },
): Promise<Speed> {
  const progress = startProgress(terminal, { doing: `measuring ${client.url}`, total: 0, unit: 'images' });
  try {
    const { models } = await client.json<{ models: ModelInfo[] }>('/models', 'models');
    const [model] = models;
    if (!model) throw unexpectedAnswer(`no model is loaded yet at ${client.url}; try again in a moment`);
    const image = await makePicture(size);
    const classify = () =>
      client.json<Classification>('/predict?topK=1', 'timing', {
        method: 'POST',
        headers: { 'content-type': 'image/jpeg' },
        body: () => image,
      });
    for (let n = 0; n < WARM_UP; n++) await classify();
    const timings: Classification['timing'][] = [];
    for (let n = 0; n < ALONE; n++) timings.push((await classify()).timing);
    const began = performance.now();
    let count = 0;
    const worker = async () => {
      while (performance.now() - began < TOGETHER_MS && !signal.aborted) {
        await classify();
        count++;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    signal.throwIfAborted();
    return {
      where: client.isLocal ? 'this machine' : new URL(client.url).host,
      source: `measured now at ${client.url} (${model.name}, ${model.engine}, ${model.precision})`,
      engine: model.engine,
      precision: model.precision,
      cores: availableParallelism(),
      decodeSeconds: median(timings.map(({ decodeMs }) => decodeMs)) / 1000,
      inferenceSeconds: median(timings.map(({ inferenceMs }) => inferenceMs)) / 1000,
      batchSeconds: (performance.now() - began) / 1000 / count,
    };
  } finally {
    progress.stop();
  }
}
