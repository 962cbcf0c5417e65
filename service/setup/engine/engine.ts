import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { SetupContext } from '../context.ts';
import { describeFailure, isFatal, SetupError } from '../failure.ts';
import { withStep } from '../progress.ts';
import { runCommand } from '../run-command.ts';
import { inspectSealedFolder } from '../sealed-folder.ts';
import { isPlaced, type Placement, placeEngine, removeEngine } from './link-engine.ts';
import { tfjsNodeFolder, type WheelEngine, wheelEngineFor } from './wheel-engine.ts';

/** What is ready to run models, and in what words to say so. */
export interface EngineState {
  readonly engine: 'tensorflow' | 'wasm';
  readonly text: string;
}

export interface EngineOptions {
  readonly placement: Placement;
}

const CHECK_TIMEOUT_MS = 2 * 60 * 1000;

/** The engine in the cache and in place as it should be, checked by hash; undefined when `ensureEngine` has work to do. */
export async function findEngine(
  context: SetupContext,
  { placement }: EngineOptions,
): Promise<EngineState | undefined> {
  const engine = await wheelEngineFor(context);
  if (!engine || !existsSync(engine.product)) return undefined;
  if (!(await isCheckedHere(engine.product))) return undefined;
  if ((await inspectSealedFolder(engine.product, context.hasher)) !== undefined) return undefined;
  if (!(await isTrustedInPlace(engine, context, placement))) return undefined;
  return { engine: 'tensorflow', text: engine.text };
}

/**
 * Makes the TensorFlow engine ready from the Python wheel. If TensorFlow cannot be installed here, says why, and that the
 * wasm engine takes its place.
 *
 * @throws what must not be passed over: a download without its hash, a full disk, a folder that may not be written
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
    progress.notice('engine', `no TensorFlow: ${describeFailure(error)}`);
    progress.notice('engine', WASM_COST);
    return wasm;
  }
}

const wasm: EngineState = { engine: 'wasm', text: 'WebAssembly' };
const WASM_COST = 'the WebAssembly engine takes its place: same answers, 10 to 60 times slower';

async function install(
  engine: WheelEngine,
  context: SetupContext,
  { placement }: EngineOptions,
): Promise<void> {
  const { progress, hasher, root } = context;
  const packageDir = tfjsNodeFolder(root);
  const fault = await inspectSealedFolder(engine.product, hasher);
  if (fault !== undefined) {
    if (fault !== 'missing') progress.notice('engine', `the cached engine is made anew: ${fault}`);
    await rm(`${engine.product}.checked.json`, { force: true });
    await engine.make(context);
  }
  if (!(await isTrustedInPlace(engine, context, placement))) {
    await placeEngine(engine.product, packageDir, placement);
  }
  if (await isCheckedHere(engine.product)) return;
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
    await removeEngine(packageDir);
    await rm(engine.product, { recursive: true, force: true });
    throw error;
  }
  await writeFile(`${engine.product}.checked.json`, JSON.stringify({ node: nodeMajor() }));
}

/** True when the installed package uses this engine; a copy is checked by hash as well, a link needs no second look. */
async function isTrustedInPlace(
  engine: WheelEngine,
  context: SetupContext,
  placement: Placement,
): Promise<boolean> {
  const packageDir = tfjsNodeFolder(context.root);
  if (!(await isPlaced(engine.product, packageDir, placement))) return false;
  return placement === 'link' || (await inspectSealedFolder(packageDir, context.hasher)) === undefined;
}

/** True when this very engine has been loaded by this major version of Node on this cache. */
async function isCheckedHere(product: string): Promise<boolean> {
  const text = await readFile(`${product}.checked.json`, 'utf8').catch(() => undefined);
  return text === JSON.stringify({ node: nodeMajor() });
}

const nodeMajor = () => process.versions.node.split('.')[0];
