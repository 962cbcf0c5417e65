import { existsSync } from 'node:fs';
import { readCpu, variantsOf } from '../../models/cpu.ts';
import { AppError } from '../src/domain/errors.ts';
import { PRECISIONS, type Precision } from '../src/domain/precision.ts';
import { topK } from '../src/domain/prediction.ts';
import { loadCompiledModel } from '../src/inference/engines/runtimes/tensorflow-compiled.ts';
import type { AccuracyModel } from './model.ts';
import { classOf, listPictures, readPicture } from './pictures.ts';

/** `count` of `of` pictures. */
export interface Share {
  readonly count: number;
  readonly of: number;
}

interface PrecisionResult {
  readonly precision: Precision;
  readonly top1: Share;
  readonly top5: Share;
  /** Pictures with the same top-1 label as in float32. */
  readonly agreement: Share;
}

export interface Evaluation {
  readonly images: number;
  readonly unreadable: number;
  /** Readable pictures without a class in their name or folder. */
  readonly unlabelled: number;
  readonly results: readonly PrecisionResult[];
}

export interface EvaluateOptions {
  readonly model: AccuracyModel;
  readonly labels: readonly string[];
  readonly pictures: string;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Classifies every labelled picture below a folder in each precision that this CPU runs, as the service does.
 *
 * @throws AppError INVALID_REQUEST if no picture has a class, INVALID_MODEL if the model is not compiled
 */
export async function evaluate({
  model,
  labels,
  pictures,
  onProgress,
}: EvaluateOptions): Promise<Evaluation> {
  const { manifest, folders } = model;
  const engines = await Promise.all(
    runnablePrecisions(model).map(async ({ precision, folder }) => ({
      precision,
      runtime: await loadCompiledModel({ path: folder }),
      top1: 0,
      top5: 0,
      agreement: 0,
    })),
  );
  if (engines[0]?.precision !== 'float32') {
    throw new AppError('INVALID_MODEL', `${folders.compiled('float32')} is missing; run \`npm run setup\``);
  }
  const files = await listPictures(pictures);
  let [images, unreadable, unlabelled] = [0, 0, 0];
  for (const [done, { path, file }] of files.entries()) {
    onProgress?.(done, files.length);
    const truth = classOf(path, labels);
    const picture = await readPicture(file, manifest.input);
    if (!picture) unreadable++;
    else if (truth === undefined) unlabelled++;
    else {
      images++;
      let reference: number | undefined;
      for (const engine of engines) {
        const best = topK(await engine.runtime.infer(picture.pixels, 1), labels, 5);
        const ranked = best.map(({ index }) => index);
        reference ??= ranked[0];
        if (ranked[0] === truth) engine.top1++;
        if (ranked.includes(truth)) engine.top5++;
        if (ranked[0] === reference) engine.agreement++;
      }
    }
  }
  onProgress?.(files.length, files.length);
  if (images === 0) {
    const why = `${files.length} pictures, ${unreadable} unreadable, ${unlabelled} without a class`;
    throw new AppError(
      'INVALID_REQUEST',
      `${pictures}: nothing to evaluate (${why}); name pictures by class index (281.jpg) or put them in folders named by label`,
    );
  }
  const share = (count: number): Share => ({ count, of: images });
  const results = engines.map(({ precision, top1, top5, agreement }) => ({
    precision,
    top1: share(top1),
    top5: share(top5),
    agreement: share(agreement),
  }));
  return { images, unreadable, unlabelled, results };
}

/** float32 first, because the others are compared with it. */
function runnablePrecisions({ folders }: AccuracyModel): { precision: Precision; folder: string }[] {
  const cpu = readCpu();
  return PRECISIONS.flatMap((precision) => {
    const folder = variantsOf(cpu, precision)
      .map((variant) => folders.compiled(variant))
      .find((each) => existsSync(each));
    return folder === undefined ? [] : [{ precision, folder }];
  });
}

/** The 95 % interval of a share (Wilson score), which is within 0..1 and valid for few pictures. */
export function interval({ count, of }: Share): readonly [number, number] {
  const z = 1.959964;
  const share = count / of;
  const centre = share + z ** 2 / (2 * of);
  const reach = z * Math.sqrt((share * (1 - share)) / of + z ** 2 / (4 * of ** 2));
  const scale = 1 + z ** 2 / of;
  return [Math.max(0, (centre - reach) / scale), Math.min(1, (centre + reach) / scale)];
}
