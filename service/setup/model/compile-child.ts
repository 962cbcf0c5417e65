import { type CompileOptions, compileLayersModel } from '../../../models/compiler/compile.ts';
import { describeFailure } from '../failure.ts';

// A separate process, so that the gigabyte that compiling takes is freed. argv[2]: CompileOptions as JSON.
try {
  await compileLayersModel(JSON.parse(process.argv[2] ?? '') as CompileOptions);
} catch (error) {
  process.stderr.write(`error: ${describeFailure(error)}\n`);
  process.exitCode = 1;
}
