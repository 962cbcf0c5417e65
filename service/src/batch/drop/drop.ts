import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import { MAX_OBJECTS, type ShardInput } from '../../domain/job/job.ts';
import { INPUT_PREFIX, isFolderMarker, OUTPUT_PREFIX } from '../../domain/keys.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import type { Batch } from '../batch.ts';
import { missingOutputs } from '../missing-outputs.ts';
import { createArrivals } from './arrivals.ts';
import type { RetryTiming } from './retries.ts';
import { createDropSubmitter } from './submitter.ts';

export interface DropOptions {
  readonly config: Pick<
    Config,
    'STORE' | 'S3_ENDPOINT' | 'JOBS' | 'DROP' | 'DROP_INTERVAL_MS' | 'MAX_JOB_INPUTS'
  >;
  readonly model: string;
  readonly objects: ObjectStore;
  readonly batch: Batch;
  readonly logger: Logger;
  /** Of jobs that fail; for tests. */
  readonly retryTiming?: RetryTiming;
}

/** Classifies the files that appear under `input/` of the store. */
export interface Drop {
  /**
   * Resolves once the folder is watched; does nothing if the drop is off.
   *
   * @param unfinished jobs of an earlier process that continue: their inputs are not submitted again
   */
  start(unfinished: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** Interval at which a folder is compared with its outputs, since notifications may be lost; ms. */
const COMPARE_INTERVAL_MS = 60_000;
/** Delay after which new folders, and files that are still growing, are checked again; ms. */
const RECHECK_MS = 2_000;
/** After a comparison, wait 20 times its duration (4 times if something changed) before the next one. */
const PAUSE_PER_COMPARISON = 20;
const SHORT_PAUSE_PER_COMPARISON = 4;

/** Files of operating systems and of unfinished copies. */
function isIgnoredName(name: string): boolean {
  return name.startsWith('.') || name === 'Thumbs.db' || name === 'desktop.ini';
}

export function createDrop(options: DropOptions): Drop {
  const { config, model, objects, batch, logger, retryTiming } = options;
  const { watch } = objects;
  const isFolder = watch !== undefined;
  const isOn =
    config.DROP === 'on' ||
    (config.DROP === 'auto' && config.JOBS === 'local' && (isFolder || config.S3_ENDPOINT !== undefined));
  const closing = new AbortController();
  const maxInputs = config.MAX_JOB_INPUTS;
  const submitter = createDropSubmitter({ model, objects, batch, logger, maxInputs, retryTiming });
  const arrivals = createArrivals((keys) => void submitter.submitKeys(keys).catch(report));
  let watching: { close(): Promise<void> } | undefined;
  let comparing: Promise<void> = Promise.resolve();
  let nextComparison: NodeJS.Timeout | undefined;
  /** In ms since 1970; 0 while a comparison is running. */
  let nextComparisonAt = Number.POSITIVE_INFINITY;
  let noComparisonBefore = 0;
  let newFolderAt = 0;

  function report(error: unknown): void {
    if (closing.signal.aborted) return;
    logger.error({ err: error }, 'drop: files not submitted; the next comparison tries again');
  }

  function onArrival(key: string): void {
    if (isFolderMarker(key)) {
      newFolderAt = Date.now();
      compareIn(RECHECK_MS);
    } else arrivals.add(key);
  }

  /** Submits every input that has no output. @returns whether files are still growing; those are left for the next time */
  async function compare(): Promise<boolean> {
    const { signal } = closing;
    let isGrowing = false;
    let waiting: ShardInput[] = [];
    const flush = () => {
      const part = waiting;
      waiting = [];
      return submitter.submitInputs(part);
    };
    const inputs = objects.list(INPUT_PREFIX, { signal });
    const missing = missingOutputs(inputs, objects.list(OUTPUT_PREFIX, { signal }));
    for await (const { key, etag, size, lastModified } of missing) {
      if (isFolderMarker(key) || key.split('/').some(isIgnoredName)) continue;
      // An object appears when it is complete; a file appears with its first byte.
      if (isFolder && Math.abs(Date.now() - lastModified.getTime()) < RECHECK_MS) {
        isGrowing = true;
        continue;
      }
      waiting.push({ key, etag, size });
      if (waiting.length >= MAX_OBJECTS) await flush();
    }
    await flush();
    return isGrowing;
  }

  async function compareAndReschedule(): Promise<void> {
    nextComparisonAt = 0;
    let wait = isFolder ? COMPARE_INTERVAL_MS : config.DROP_INTERVAL_MS;
    try {
      await submitter.untilAllTracked(closing.signal);
      const startedAt = Date.now();
      const isGrowing = await compare();
      if (isFolder) {
        const took = Date.now() - startedAt;
        const isChanging = isGrowing || startedAt - newFolderAt < RECHECK_MS;
        wait = isChanging ? RECHECK_MS : Math.max(COMPARE_INTERVAL_MS, PAUSE_PER_COMPARISON * took);
        noComparisonBefore = Date.now() + SHORT_PAUSE_PER_COMPARISON * took;
      }
    } catch (error) {
      report(error);
    }
    nextComparisonAt = Number.POSITIVE_INFINITY;
    compareIn(wait);
  }

  /** Keeps an earlier scheduled comparison. */
  function compareIn(ms: number): void {
    const at = Math.max(Date.now() + ms, noComparisonBefore);
    if (closing.signal.aborted || at >= nextComparisonAt) return;
    nextComparisonAt = at;
    clearTimeout(nextComparison);
    nextComparison = setTimeout(() => {
      comparing = compareAndReschedule();
    }, at - Date.now());
  }

  return {
    async start(unfinished) {
      if (!isOn) return;
      submitter.trackJobs(unfinished);
      if (watch) watching = await watch(INPUT_PREFIX, isIgnoredName, onArrival, report);
      const how = watch ? 'watching' : 'listing';
      logger.info({ store: objects.uri }, `drop: ${how} input/ for new files`);
      compareIn(0);
    },
    async close() {
      closing.abort();
      arrivals.close();
      clearTimeout(nextComparison);
      await watching?.close();
      await Promise.allSettled([submitter.close(), comparing]);
    },
  };
}
