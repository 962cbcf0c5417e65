import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../models/folders.ts';
import type { Sample } from './sample.ts';
import type { Command } from './subject.ts';

const PROGRAM = join(packageRoot(), 'service', 'bench', 'openvino_child.py');

/** BENCH_PYTHON or python3, if it has OpenVINO. */
function findPython(): string | undefined {
  const python = process.env.BENCH_PYTHON ?? 'python3';
  const { status } = spawnSync(python, ['-c', 'import openvino, numpy'], { stdio: 'ignore' });
  return status === 0 ? python : undefined;
}

/** The commands that run the ONNX files on OpenVINO; none, and a notice, if it is not installed. */
export function openVinoCommands(
  { floats, model }: Sample,
  onnx: { readonly float32: string; readonly int8: string },
): Command[] {
  const program = findPython();
  if (program === undefined) {
    process.stdout.write(
      'OpenVINO skipped: not installed; run `python3 -m venv v && v/bin/pip install openvino` and set BENCH_PYTHON=v/bin/python\n',
    );
    return [];
  }
  const command = (name: string, file: string, precision: 'f32' | 'default') => ({
    name,
    program,
    args: [PROGRAM, file, floats, String(model.manifest.input.height), precision],
  });
  return [command('OpenVINO, float32', onnx.float32, 'f32'), command('OpenVINO, int8', onnx.int8, 'default')];
}
