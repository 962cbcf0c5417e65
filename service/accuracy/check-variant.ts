import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { imageLength, readManifest } from '../../models/manifest.ts';
import { argmax } from '../src/domain/prediction.ts';
import { loadCompiledModel } from '../src/inference/engines/runtimes/tensorflow-compiled.ts';
import { readPicture } from './pictures.ts';

// Loads one compiled variant and compares its answers for the model's sample pictures with samples/answers.json. Exit
// status 0 if they agree. It is a process of its own, because a kernel that this CPU lacks may kill it.
//
//   node check-variant.js <folder of the variant> <folder of the manifest>

/** Largest difference in probability between precisions and CPUs for the same picture. */
const TOLERANCE = 0.1;

/** Top-1 class index and probability in float32, by file name. */
type Answers = Readonly<Record<string, { readonly index: number; readonly probability: number }>>;

const [variant = '', model = ''] = process.argv.slice(2);
try {
  const fault = await check();
  if (fault !== undefined) fail(fault);
} catch (error) {
  fail((error as Error).message.split('\n', 1)[0] ?? 'unknown');
}

function fail(reason: string): void {
  process.stderr.write(`error: ${reason}\n`);
  process.exitCode = 1;
}

async function check(): Promise<string | undefined> {
  const manifest = await readManifest(model);
  const classes = 'classes' in manifest.output ? manifest.output.classes : 1;
  const isImage = manifest.task === 'image-classification';
  const width = isImage ? imageLength(manifest.input) : manifest.input.features.length;
  const runtime = await loadCompiledModel({ path: variant });
  const noise = Uint8Array.from({ length: width }, (_, i) => (i * 7919) % 251);
  const output = await runtime.infer(isImage ? noise : Float32Array.from(noise), 1);
  if (output.length !== classes) return `${output.length} numbers instead of ${classes}`;
  if (!output.every(Number.isFinite)) return 'numbers that are not finite';
  if (!isImage) return undefined;
  for (const [name, known] of Object.entries(await readAnswers())) {
    const picture = await readPicture(join(model, 'samples', name), manifest.input);
    if (!picture) return `samples/${name} cannot be read`;
    const shares = await runtime.infer(picture.pixels, 1);
    const index = argmax(shares);
    const probability = shares[index] ?? 0;
    if (index !== known.index || Math.abs(probability - known.probability) > TOLERANCE) {
      return `samples/${name}: class ${index} with ${probability.toFixed(3)} instead of ${known.index} with ${known.probability.toFixed(3)}`;
    }
  }
  return undefined;
}

async function readAnswers(): Promise<Answers> {
  try {
    return JSON.parse(await readFile(join(model, 'samples', 'answers.json'), 'utf8')) as Answers;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}
