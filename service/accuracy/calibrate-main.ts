import { relative } from 'node:path';
import { createProgress } from '../setup/progress.ts';
import { AppError } from '../src/domain/errors.ts';
import { calibrate } from './calibrate.ts';
import { findImageModel } from './model.ts';
import { runProgram } from './program.ts';

// npm run calibrate -- <model> <folder>: writes the ranges.json that PRECISION=int8 is compiled from.

await runProgram('calibrate', ['model', 'folder of pictures'], [], async ([name = '', pictures = '']) => {
  const { manifest, folder, entry } = await findImageModel(name);
  if (manifest.engine !== 'tensorflow' || manifest.format !== 'tfjs-layers') {
    throw new AppError(
      'INVALID_MODEL',
      `${name} is a ${manifest.format} model for ${manifest.engine}; int8 is compiled from tfjs-layers models only`,
    );
  }
  const progress = createProgress(process.stderr, process.env.NO_COLOR === undefined);
  let step: ReturnType<typeof progress.start> | undefined;
  const result = await calibrate({
    manifest,
    modelFolder: folder,
    modelJson: entry,
    pictures,
    onProgress(done, total) {
      step ??= progress.start('calibrate', name, { total, unit: 'items' });
      step.update(done);
    },
  });
  const unreadable = result.unreadable > 0 ? `, ${result.unreadable} unreadable` : '';
  step?.done(`${result.pictures} pictures${unreadable}: ${result.convolutions} ranges`);
  process.stdout.write(`${relative(process.cwd(), result.file)}\n`);
  process.stderr.write('next: npm run setup, then npm run evaluate to see what int8 costs in accuracy\n');
});
