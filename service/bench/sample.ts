import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AccuracyModel, findImageModel } from '../accuracy/model.ts';
import { decode } from '../src/inference/image/decode.ts';
import { createPreprocessor } from '../src/inference/image/preprocess.ts';

/** The input of every engine under test. */
export interface Sample {
  readonly model: AccuracyModel;
  /** Folder for temporary files. */
  readonly folder: string;
  /** File of the decoded picture, uint8 RGB. */
  readonly pixels: string;
  /** File of the normalised picture, float32, channels first. */
  readonly floats: string;
  /** Class of the picture in ImageNet. */
  readonly expected: number;
}

const PICTURE = 'traffic-light.jpg';
const TRAFFIC_LIGHT = 920;

/** Runs `use` with ResNet-50 and a decoded picture, in a temporary folder. */
export async function withSample<T>(use: (sample: Sample) => Promise<T>): Promise<T> {
  const model = await findImageModel('resnet50');
  const folder = await mkdtemp(join(tmpdir(), 'bench-'));
  try {
    const { input } = model.manifest;
    const bytes = await readFile(join(model.folder, 'samples', PICTURE));
    const { pixels } = await decode(bytes, input, { maxPixels: 1e8 });
    const values = new Float32Array(pixels.length);
    createPreprocessor({ ...input, layout: 'NCHW' })(pixels, values, 0);
    const files = { pixels: join(folder, 'pixels.bin'), floats: join(folder, 'floats.bin') };
    await writeFile(files.pixels, pixels);
    await writeFile(files.floats, values);
    return await use({ model, folder, ...files, expected: TRAFFIC_LIGHT });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
