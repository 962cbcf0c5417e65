import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import { MAX_OBJECTS, type ShardInput } from '../../domain/job/job.ts';
import { INPUT_PREFIX, isFolderMarker, OUTPUT_PREFIX } from '../../domain/keys.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import type { Batch } from '../batch.ts';
import { missingOutputs } from '../missing-outputs.ts';
import type { RetryTiming } from './retries.ts';
import { createHandOver } from './submitter.ts';

export interface DropOptions {
  readonly config: Pick<Config, 'STORE' | 'S3_ENDPOINT' | 'JOBS' | 'DROP' | 'DROP_INTERVAL_MS'>;
  /** What classifies. */
  readonly model: string;
  readonly objects: ObjectStore;
  readonly batch: Batch;
  readonly logger: Logger;
  /** Of jobs that fail; for tests. */
  readonly retryTiming?: RetryTiming;
}

/** Classifies what appears under `input/` of the store. */
export interface Drop {
  /**
   * Resolves when the folder is watched; does nothing where DROP says off.
   *
   * @param unfinished jobs that an earlier process left and that go on: their inputs are not handed over again
   */
  start(unfinished: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** Files that come this close together make one job; it is made at the latest after the second time. Milliseconds. */
const QUIET_MS = 300;
const LONGEST_MS = 2_000;
/** How often a folder is compared with its outputs, in case the system lost a notice; milliseconds. */
const COMPARE_INTERVAL_MS = 60_000;
/** A folder that is new, and a file that is still written into, are looked at again so much later; milliseconds. */
const LOOK_AGAIN_MS = 2_000;
/** A comparison of many files takes long: this many times as long nothing is compared, without a reason and with one. */
const PAUSE_PER_COMPARISON = 20;
const SHORT_PAUSE_PER_COMPARISON = 4;

/** What systems and half-done copies leave in folders: names with a leading dot, and two of Windows'. */
function isIgnoredName(name: string): boolean {
  return name.startsWith('.') || name === 'Thumbs.db' || name === 'desktop.ini';
}

export function createDrop({ config, model, objects, batch, logger, retryTiming }: DropOptions): Drop {
  const { watch } = objects;
  const isFolder = watch !== undefined;
  const isOn =
    config.DROP === 'on' ||
    (config.DROP === 'auto' && config.JOBS === 'local' && (isFolder || config.S3_ENDPOINT !== undefined));
  const closing = new AbortController();
  const handOver = createHandOver({
    model,
    objects,
    batch,
    logger,
    ...(retryTiming ? { retryTiming } : {}),
  });
  const arrived = new Set<string>();
  let watching: { close(): Promise<void> } | undefined;
  let quiet: NodeJS.Timeout | undefined;
  let firstAt = 0;
  let comparing: Promise<void> = Promise.resolve();
  let nextComparison: NodeJS.Timeout | undefined;
  /** 0 while one is running. */
  let nextComparisonAt = Number.POSITIVE_INFINITY;
  let noComparisonBefore = 0;
  let newFolderAt = 0;

  const report = (error: unknown) => {
    if (!closing.signal.aborted)
      logger.error({ err: error }, 'drop: not handed over; the next comparison tries again');
  };

  function arrive(key: string): void {
    if (isFolderMarker(key)) {
      newFolderAt = Date.now();
      compareIn(LOOK_AGAIN_MS);
      return;
    }
    if (arrived.size === 0) firstAt = Date.now();
    arrived.add(key);
    clearTimeout(quiet);
    const wait =
      arrived.size >= MAX_OBJECTS ? 0 : Math.min(QUIET_MS, Math.max(0, firstAt + LONGEST_MS - Date.now()));
    quiet = setTimeout(() => {
      const keys = [...arrived];
      arrived.clear();
      handOver.keys(keys).catch(report);
    }, wait);
  }

  /** Hands over every input that has no output yet. @returns whether files are still written into: they are left for the next time */
  async function compare(): Promise<boolean> {
    const { signal } = closing;
    let growing = false;
    let waiting: ShardInput[] = [];
    const flush = () => {
      const part = waiting;
      waiting = [];
      return handOver.inputs(part);
    };
    const inputs = objects.list(INPUT_PREFIX, { signal });
    const missing = missingOutputs(inputs, objects.list(OUTPUT_PREFIX, { signal }));
    for await (const { key, etag, size, lastModified } of missing) {
      if (isFolderMarker(key) || key.split('/').some(isIgnoredName)) continue;
      // An object of a store is there when it is whole; a file is there from its first byte on.
      if (isFolder && Math.abs(Date.now() - lastModified.getTime()) < LOOK_AGAIN_MS) {
        growing = true;
        continue;
      }
      waiting.push({ key, etag, size });
      if (waiting.length >= MAX_OBJECTS) await flush();
    }
    await flush();
    return growing;
  }

  async function compareAndGoOn(): Promise<void> {
    nextComparisonAt = 0;
    let wait = isFolder ? COMPARE_INTERVAL_MS : config.DROP_INTERVAL_MS;
    try {
      await handOver.untilAllKnown(closing.signal);
      const startedAt = Date.now();
      const growing = await compare();
      if (isFolder) {
        const took = Date.now() - startedAt;
        const again = growing || startedAt - newFolderAt < LOOK_AGAIN_MS;
        wait = again ? LOOK_AGAIN_MS : Math.max(COMPARE_INTERVAL_MS, PAUSE_PER_COMPARISON * took);
        noComparisonBefore = Date.now() + SHORT_PAUSE_PER_COMPARISON * took;
      }
    } catch (error) {
      report(error);
    }
    nextComparisonAt = Number.POSITIVE_INFINITY;
    compareIn(wait);
  }

  /** An earlier comparison that is due already stays. */
  function compareIn(ms: number): void {
    const at = Math.max(Date.now() + ms, noComparisonBefore);
    if (closing.signal.aborted || at >= nextComparisonAt) return;
    nextComparisonAt = at;
    clearTimeout(nextComparison);
    nextComparison = setTimeout(() => {
      comparing = compareAndGoOn();
    }, at - Date.now());
  }

  return {
    async start(unfinished) {
      if (!isOn) return;
      handOver.expect(unfinished);
      if (watch) {
        watching = await watch(INPUT_PREFIX, isIgnoredName, arrive, report);
        logger.info({ store: objects.uri }, 'drop: pictures put into its input/ are classified');
      } else {
        logger.info({ store: objects.uri }, 'drop: listing input/ for new pictures');
      }
      compareIn(0);
    },
    async close() {
      closing.abort();
      clearTimeout(quiet);
      clearTimeout(nextComparison);
      await watching?.close();
      await Promise.allSettled([handOver.close(), comparing]);
    },
  };
}
