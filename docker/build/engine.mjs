// Image build: installs libtensorflow and builds tfjs-node's addon with the set-up code. Copies deps/ and lib/ of
// node_modules/@tensorflow/tfjs-node to the directory in the first argument.
import { cp, mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureEngine } from '../../dist/service/setup/engine/engine.js';
import { tfjsNodeFolder } from '../../dist/service/setup/engine/wheel-engine.js';
import { buildContext } from './context.mjs';

const [out = ''] = process.argv.slice(2);
const context = await buildContext();
const { engine, text } = await ensureEngine(context, { placement: 'link' });
// The reason has been printed.
if (engine !== 'tensorflow') process.exit(1);
await mkdir(out, { recursive: true });
for (const part of ['deps', 'lib']) {
  const made = await realpath(join(tfjsNodeFolder(context.root), part));
  await cp(made, join(out, part), { recursive: true, verbatimSymlinks: true });
}
context.progress.ready('engine', text);
