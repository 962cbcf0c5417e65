import { type CompileOptions, compileLayersModel } from '../../../models/compiler/compile.ts';
import { describeFailure } from '../failure.ts';

/** A process of its own, so that the gigabyte that compiling takes is given back: CompileOptions as JSON in argv[2]. */
try {
  await compileLayersModel(JSON.parse(process.argv[2] ?? '') as CompileOptions);
} catch (error) {
  process.stderr.write(`error: ${describeFailure(error)}\n`);
  process.exitCode = 1;
}
