import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { SetupContext } from '../context.ts';
import { describeFailure, isFatal, SetupError } from '../failure.ts';
import { withStep } from '../progress.mjs';
import { runCommand } from '../run-command.ts';
import { inspectSealedFolder } from '../sealed-folder.ts';
import { isPlaced, type Placement, placeEngine, removeEngine } from './link-engine.ts';
import { tfjsNodeFolder, type WheelEngine, wheelEngineFor } from './wheel-engine.ts';

/** The engine that runs models, and its description. */
export interface EngineState {
  readonly engine: 'tensorflow' | 'wasm';
  readonly text: string;
}

export interface EngineOptions {
  readonly placement: Placement;
}

const CHECK_TIMEOUT_MS = 2 * 60 * 1000;

/** The engine if it is in the cache and in place; undefined if `ensureEngine` has work to do. */
export async function findEngine(
  context: SetupContext,
  { placement }: EngineOptions,
): Promise<EngineState | undefined> {
  const engine = await wheelEngineFor(context);
  if (!engine || !existsSync(engine.product)) return undefined;
  if (!(await isChecked(engine.product))) return undefined;
  if ((await inspectSealedFolder(engine.product, context.verify)) !== undefined) return undefined;
  if (!(await isComplete(engine, context, placement))) return undefined;
  return { engine: 'tensorflow', text: engine.text };
}

/**
 * Makes the TensorFlow engine ready. If TensorFlow cannot be installed here, reports why and returns the WebAssembly engine.
 *
 * @throws if a download does not have its hash, the disk is full, or a directory is not writable
 */
export async function ensureEngine(context: SetupContext, options: EngineOptions): Promise<EngineState> {
  const { progress } = context;
  const engine = await wheelEngineFor(context);
  try {
    if (!engine) throw new SetupError(`no pinned libtensorflow for ${process.platform} ${process.arch}`);
    await install(engine, context, options);
    return { engine: 'tensorflow', text: engine.text };
  } catch (error) {
    if (isFatal(error)) throw error;
    // Nothing may load what another clone or installer left in node_modules.
    await removeEngine(tfjsNodeFolder(context.root));
    progress.notice('engine', `no TensorFlow: ${describeFailure(error)}`);
    progress.notice('engine', 'WebAssembly is used instead: same answers, 10 to 60 times slower');
    return { engine: 'wasm', text: 'WebAssembly' };
  }
}

async function install(
  engine: WheelEngine,
  context: SetupContext,
  { placement }: EngineOptions,
): Promise<void> {
  const { progress, root } = context;
  const packageDir = tfjsNodeFolder(root);
  const fault = await inspectSealedFolder(engine.product, context.verify);
  if (fault !== undefined) {
    if (fault !== 'missing') progress.notice('engine', `rebuilding the cached engine: ${fault}`);
    await rm(`${engine.product}.checked.json`, { force: true });
    await engine.make(context);
  }
  if (!(await isComplete(engine, context, placement))) {
    await placeEngine(engine.product, packageDir, placement);
  }
  if (await isChecked(engine.product)) return;
  try {
    await withStep(
      progress.start('engine', 'loading the addon'),
      () => 'addon loads and computes',
      () =>
        runCommand(process.execPath, [fileURLToPath(new URL('./check-child.js', import.meta.url))], {
          cwd: root,
          env: { ...context.environment, TF_CPP_MIN_LOG_LEVEL: '2' },
          timeoutMs: CHECK_TIMEOUT_MS,
        }),
    );
  } catch (error) {
    await rm(engine.product, { recursive: true, force: true });
    throw error;
  }
  await writeFile(`${engine.product}.checked.json`, JSON.stringify({ node: nodeMajor() }));
}

/** True if the installed package uses this engine; a copy must be complete too. */
async function isComplete(
  engine: WheelEngine,
  context: SetupContext,
  placement: Placement,
): Promise<boolean> {
  const packageDir = tfjsNodeFolder(context.root);
  if (!(await isPlaced(engine.product, packageDir, placement))) return false;
  return placement === 'link' || (await inspectSealedFolder(packageDir, context.verify)) === undefined;
}

/** True if this engine in this cache was loaded by this major version of Node. */
async function isChecked(product: string): Promise<boolean> {
  const text = await readFile(`${product}.checked.json`, 'utf8').catch(() => undefined);
  return text === JSON.stringify({ node: nodeMajor() });
}

const nodeMajor = () => process.versions.node.split('.')[0];
