import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compileLayersModel, readProgram } from '../../models/compiler/compile.ts';
import { quantisedOps } from '../../models/compiler/emit.ts';
import { createHistogram, type Histogram } from '../../models/compiler/histogram.ts';
import { type Ranges, rangesFile } from '../../models/compiler/ranges.ts';
import type { Quantisable } from '../../models/compiler/values.ts';
import type { ImageManifest } from '../../models/manifest.ts';
import { AppError } from '../src/domain/errors.ts';
import { loadOutputs } from '../src/inference/engines/runtimes/tensorflow-graph.ts';
import { listPictures, readPicture } from './pictures.ts';

/** Fewer pictures do not represent the network's input. */
const MIN_PICTURES = 16;

export interface CalibrateOptions {
  readonly manifest: ImageManifest;
  /** Folder of manifest.json; ranges.json is written beside it. */
  readonly modelFolder: string;
  /** Path of the layers model's model.json. */
  readonly modelJson: string;
  /** Folder of pictures like those in production. */
  readonly pictures: string;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Calibration {
  readonly file: string;
  /** Number of convolutions with a range. */
  readonly convolutions: number;
  readonly pictures: number;
  readonly unreadable: number;
}

/**
 * Runs the float32 graph on the pictures and writes ranges.json: for each convolution the range of its output with the
 * smallest rounding error in 8 bits.
 *
 * @throws AppError INVALID_REQUEST if fewer than MIN_PICTURES are readable, INVALID_MODEL if the model has no convolution
 *   to quantise
 */
export async function calibrate(options: CalibrateOptions): Promise<Calibration> {
  const { manifest, modelJson, onProgress } = options;
  const files = await listPictures(options.pictures);
  const convolutions = quantisedOps(await readProgram(modelJson), manifest.input);
  if (convolutions.length === 0) {
    throw new AppError('INVALID_MODEL', `${manifest.name} has no convolution that int8 can speed up`);
  }
  const histograms = new Map(convolutions.map(({ name }) => [name, createHistogram()]));
  const graph = await mkdtemp(join(tmpdir(), 'calibrate-'));
  const digest = createHash('sha256');
  let readable = 0;
  try {
    await compileLayersModel({
      modelJson,
      outDir: graph,
      variant: 'float32-portable',
      pixels: manifest.input,
    });
    const run = await loadOutputs(graph, [...histograms.keys()]);
    for (const [index, { file }] of files.entries()) {
      const picture = await readPicture(file, manifest.input);
      if (picture) {
        readable++;
        digest.update(createHash('sha256').update(picture.bytes).digest());
        const outputs = run(picture.pixels);
        [...histograms.values()].forEach((histogram, place) => {
          histogram.add(outputs[place] ?? new Float32Array());
        });
      }
      onProgress?.(index + 1, files.length);
    }
  } finally {
    await rm(graph, { recursive: true, force: true });
  }
  if (readable < MIN_PICTURES) {
    throw new AppError(
      'INVALID_REQUEST',
      `${options.pictures} holds ${readable} readable pictures (${files.length - readable} unreadable); calibration needs at least ${MIN_PICTURES}`,
    );
  }
  const ranges: Ranges = {
    schemaVersion: 1,
    model: manifest.name,
    version: manifest.version,
    calibration: { images: readable, method: 'least-squares', digest: digest.digest('hex') },
    ranges: Object.fromEntries(convolutions.map((op) => [op.name, rangeOf(op, histograms)])),
  };
  const file = rangesFile(options.modelFolder);
  await writeFile(file, `${JSON.stringify(ranges, null, 2)}\n`);
  return { file, convolutions: convolutions.length, pictures: readable, unreadable: files.length - readable };
}

/** quint8 has 255 steps above zero, qint8 127 on each side. */
function rangeOf(op: Quantisable, histograms: ReadonlyMap<string, Histogram>): number {
  const range = histograms.get(op.name)?.bestRange(op.activation === undefined ? 127 : 255) ?? 0;
  if (!(range > 0)) {
    throw new AppError(
      'INVALID_MODEL',
      `"${op.name}" is zero for all of these pictures; calibrate with others`,
    );
  }
  // Five digits are finer than 8 bits.
  return Number(range.toPrecision(5));
}
