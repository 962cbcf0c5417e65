import { relative } from 'node:path';
import { AppError } from '../src/domain/errors.ts';
import { calibrate } from './calibrate.ts';
import { findImageModel } from './model.ts';
import { runProgram, showProgress } from './program.ts';

// npm run calibrate -- <model> <folder>: writes the ranges.json that PRECISION=int8 is compiled from.

await runProgram('calibrate', ['model', 'folder of pictures'], [], async ([name = '', pictures = '']) => {
  const { manifest, folder, entry } = await findImageModel(name);
  if (manifest.engine !== 'tensorflow' || manifest.format !== 'tfjs-layers') {
    throw new AppError(
      'INVALID_MODEL',
      `${name} is a ${manifest.format} model for ${manifest.engine}; int8 is compiled from tfjs-layers models only`,
    );
  }
  const progress = showProgress('calibrate', name);
  const result = await calibrate({
    manifest,
    modelFolder: folder,
    modelJson: entry,
    pictures,
    onProgress: progress.update,
  });
  const unreadable = result.unreadable > 0 ? `, ${result.unreadable} unreadable` : '';
  progress.done(`${result.pictures} pictures${unreadable}: ${result.convolutions} ranges`);
  process.stdout.write(`${relative(process.cwd(), result.file)}\n`);
  process.stderr.write('next: `npm run setup`, then `npm run evaluate` to measure the accuracy of int8\n');
});
