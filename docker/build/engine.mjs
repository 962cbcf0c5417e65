// Image build: makes libtensorflow and tfjs-node's addon with set-up's own code, and lays deps/ and lib/ into the folder
// given as the first argument, as they belong into node_modules/@tensorflow/tfjs-node.
import { cp, mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureEngine } from '../../dist/service/setup/engine/engine.js';
import { tfjsNodeFolder } from '../../dist/service/setup/engine/wheel-engine.js';
import { buildContext, end } from './context.mjs';

const [out = ''] = process.argv.slice(2);
const context = await buildContext();
const { engine, text } = await ensureEngine(context, { placement: 'link' });
if (engine !== 'tensorflow') await end(context, 1);
await mkdir(out, { recursive: true });
for (const part of ['deps', 'lib']) {
  const made = await realpath(join(tfjsNodeFolder(context.root), part));
  await cp(made, join(out, part), { recursive: true, verbatimSymlinks: true });
}
context.progress.ready('engine', text);
await end(context, 0);
