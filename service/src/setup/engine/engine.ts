import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { SetupContext } from '../context.ts';
import { describeFailure, isFaultOfMachine } from '../failure.ts';
import { withStep } from '../progress.ts';
import { runCommand } from '../run-command.ts';
import { inspectSealedFolder } from '../sealed-folder.ts';
import { forgetFailure, recallFailure, rememberFailure } from './failed-attempt.ts';
import { isPlaced, type Placement, placeEngine, removeEngine } from './link-engine.ts';
import { tfjsNodeFolder, type Way, waysFor } from './ways.ts';

/** What is ready to run models, and in what words to say so. */
export interface EngineState {
  readonly engine: 'tensorflow' | 'wasm';
  readonly text: string;
}

export interface EngineOptions {
  readonly placement: Placement;
  /** Try again even though the last attempt of today failed. */
  readonly retry: boolean;
}

const CHECK_TIMEOUT_MS = 2 * 60 * 1000;

/** The engine in the cache and in place as it should be, checked by hash; undefined when `ensureEngine` has work to do. */
export async function findEngine(
  context: SetupContext,
  { placement }: EngineOptions,
): Promise<EngineState | undefined> {
  for (const way of await waysFor(context)) {
    if (!existsSync(way.product)) continue;
    if (!(await isCheckedHere(way.product))) return undefined;
    if ((await inspectSealedFolder(way.product, context.hasher)) !== undefined) return undefined;
    if (!(await isTrustedInPlace(way, context, placement))) return undefined;
    return { engine: 'tensorflow', text: way.text };
  }
  return undefined;
}

/**
 * Makes the TensorFlow engine ready: from the Python wheel, else by tfjs-node's own installer. Never throws for an
 * engine that cannot be had: says why, and that the wasm engine takes its place.
 *
 * @throws only what stops every way: a full disk, a folder that may not be written
 */
export async function ensureEngine(context: SetupContext, options: EngineOptions): Promise<EngineState> {
  const { progress } = context;
  const reasons: string[] = [];
  const remembered = options.retry ? undefined : await recallFailure(context);
  if (remembered !== undefined) {
    const again = '`npm start -- --retry-engine` tries again';
    progress.notice('engine', `no TensorFlow, as at the last attempt (${remembered}); ${again}`);
    progress.notice('engine', WASM_COST);
    return wasm;
  }
  for (const way of await waysFor(context)) {
    try {
      await ensureWay(way, context, options);
      await forgetFailure(context);
      return { engine: 'tensorflow', text: way.text };
    } catch (error) {
      if (isFaultOfMachine(error)) throw error;
      const reason = describeFailure(error);
      reasons.push(reason);
      progress.notice('engine', `no ${way.text}: ${reason}`);
    }
  }
  if (reasons.length === 0) reasons.push(`no TensorFlow for ${process.platform} ${process.arch}`);
  await rememberFailure(context, reasons);
  progress.notice('engine', WASM_COST);
  return wasm;
}

const wasm: EngineState = { engine: 'wasm', text: 'WebAssembly' };
const WASM_COST =
  'the WebAssembly engine takes its place: same answers, about 10 times slower (345 ms against 35 ms an image)';

async function ensureWay(way: Way, context: SetupContext, { placement }: EngineOptions): Promise<void> {
  const { progress, hasher, root } = context;
  const packageDir = tfjsNodeFolder(root);
  const fault = await inspectSealedFolder(way.product, hasher);
  if (fault !== undefined) {
    if (fault !== 'missing') progress.notice('engine', `the cached engine is made anew: ${fault}`);
    await rm(`${way.product}.checked.json`, { force: true });
    await way.make(context);
  }
  if (!(await isTrustedInPlace(way, context, placement))) {
    await placeEngine(way.product, packageDir, placement);
  }
  if (await isCheckedHere(way.product)) return;
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
    await rm(way.product, { recursive: true, force: true });
    throw error;
  }
  await writeFile(`${way.product}.checked.json`, JSON.stringify({ node: nodeMajor() }));
}

/** True when the installed package uses this engine; a copy is checked by hash as well, a link needs no second look. */
async function isTrustedInPlace(way: Way, context: SetupContext, placement: Placement): Promise<boolean> {
  const packageDir = tfjsNodeFolder(context.root);
  if (!(await isPlaced(way.product, packageDir, placement))) return false;
  return placement === 'link' || (await inspectSealedFolder(packageDir, context.hasher)) === undefined;
}

/** True when this very engine has been loaded by this major version of Node on this cache. */
async function isCheckedHere(product: string): Promise<boolean> {
  const text = await readFile(`${product}.checked.json`, 'utf8').catch(() => undefined);
  return text === JSON.stringify({ node: nodeMajor() });
}

const nodeMajor = () => process.versions.node.split('.')[0];
