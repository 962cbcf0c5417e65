import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { coefficients } from '../../models/compiler/pixels.ts';
import { rangesFile, readRanges } from '../../models/compiler/ranges.ts';
import type { Variant } from '../../models/compiler/variants.ts';
import { type Cpu, readCpu, variantsOf } from '../../models/cpu.ts';
import type { ImageInput } from '../../models/manifest.ts';
import { PRECISIONS, type Precision } from '../src/domain/precision.ts';
import { onnxModel } from './onnx-model.ts';
import { openVinoCommands } from './openvino.ts';
import { type Sample, withSample } from './sample.ts';
import { type Command, measure, nodeCommand, type Result, SIZES } from './subject.ts';
import { megabytes, ms, printTable, ratio } from './table.ts';

/** The precisions that this CPU runs, and the variant of each that the service uses. */
export const precisionsOf = (cpu: Cpu): { precision: Precision; variant: Variant }[] =>
  PRECISIONS.flatMap((precision) => {
    const [variant] = variantsOf(cpu, precision);
    return variant === undefined ? [] : [{ precision, variant }];
  });

/** Smallest CPU time of the engine for one image, in milliseconds, by variant. */
export type EngineCosts = ReadonlyMap<string, number>;

/** Measures every variant that this CPU runs and the alternatives on the same weights, in one run. */
export async function benchEngines(): Promise<EngineCosts> {
  const results = await withSample(async (sample) => {
    const onnx = await writeOnnx(sample);
    const given = { pixels: sample.pixels, input: sample.model.manifest.input };
    const commands: Command[] = [
      nodeCommand(LAYERS, 'layers', sample.model.entry, given),
      nodeCommand(ONNX, 'onnx', onnx.float32, given),
      nodeCommand('onnxruntime, int8', 'onnx', onnx.int8, given),
      ...openVinoCommands(sample, onnx),
      ...variantCommands(sample, readCpu()),
    ];
    return measure(commands, sample.expected);
  });
  printComparison(results);
  printTable(
    'From the start of the process to the first correct answer (warm disk)',
    ['engine', 'time', 'resident memory then'],
    results.map(({ name, startMs, rss }) => [name, ms(startMs), megabytes(rss)]),
  );
  return new Map(results.map(({ name, cpuPerImage }) => [name, Math.min(...cpuPerImage.values())]));
}

const LAYERS = 'tf.loadLayersModel';
const ONNX = 'onnxruntime, float32';

/** The name of a variant in every table. */
export const nameOf = (variant: Variant): string => `ours, ${variant}`;

/** One command per variant that `cpu` runs, with these environment variables. */
export function variantCommands(
  { model, pixels }: Sample,
  cpu: Cpu,
  environment: Readonly<Record<string, string>> = {},
): Command[] {
  const given = { pixels, input: model.manifest.input };
  return PRECISIONS.flatMap((precision) => variantsOf(cpu, precision)).map((variant) =>
    nodeCommand(nameOf(variant), 'compiled', model.folders.compiled(variant), given, environment),
  );
}

function printComparison(results: readonly Result[]): void {
  const find = (name: string) => results.find((result) => result.name === name);
  const [layers, onnx] = [find(LAYERS), find(ONNX)];
  const cells = ({ perImage }: Result) =>
    SIZES.flatMap((size) => {
      const own = perImage.get(size) ?? Number.NaN;
      const against = (other: Result | undefined) => ratio((other?.perImage.get(size) ?? Number.NaN) / own);
      return [ms(own), against(onnx), against(layers)];
    });
  printTable(
    'ResNet-50, milliseconds per image (medians), and the speed as a multiple of onnxruntime float32 (ort) and tf.loadLayersModel (tf)',
    ['engine', ...SIZES.flatMap((size) => [`batch ${size}`, '/ ort', '/ tf'])],
    results.map((result) => [result.name, ...cells(result)]),
  );
}

/** Writes the ONNX files, before anything is measured. */
async function writeOnnx({ model, folder }: Sample): Promise<{ float32: string; int8: string }> {
  const { entry, manifest } = model;
  const { ranges } = await readRanges(rangesFile(model.folder), manifest.version);
  const files = { float32: join(folder, 'float32.onnx'), int8: join(folder, 'int8.onnx') };
  await writeFile(files.float32, await onnxModel(entry));
  await writeFile(files.int8, await onnxModel(entry, { ranges, input: inputRange(manifest.input) }));
  return files;
}

/** The smallest and largest normalised pixel. */
function inputRange(input: ImageInput): { minimum: number; maximum: number } {
  const { factors, offsets } = coefficients(input);
  const ends = factors.flatMap((factor, channel) =>
    [0, 255].map((pixel) => pixel * factor - (offsets[channel] ?? 0)),
  );
  return { minimum: Math.min(...ends), maximum: Math.max(...ends) };
}
