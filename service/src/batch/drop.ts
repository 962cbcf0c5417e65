import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import { isAppError } from '../domain/errors.ts';
import { MAX_OBJECTS, type ShardInput } from '../domain/job.ts';
import { derivedJobId } from '../domain/job-id.ts';
import { checkKey, compareKeys, INPUT_PREFIX, isFolderMarker, OUTPUT_PREFIX } from '../domain/keys.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { Batch } from './batch.ts';
import { missingOutputs } from './missing-outputs.ts';

export interface DropOptions {
  readonly config: Pick<Config, 'STORE' | 'S3_ENDPOINT' | 'JOBS' | 'DROP' | 'DROP_INTERVAL_MS'>;
  /** What classifies. */
  readonly model: string;
  readonly objects: ObjectStore;
  readonly batch: Batch;
  readonly logger: Logger;
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

/** How many classes a dropped picture gets; a request says it for itself. */
const TOP_K = 5;
/** Files that come this close together make one job; it is made at the latest after the second time. Milliseconds. */
const QUIET_MS = 300;
const LONGEST_MS = 2_000;
/** Versions that were handed over lately: an S3-compatible store lists them until their outputs are there. */
const MAX_REMEMBERED = 200_000;
/** How often a folder is compared with its outputs, in case the system lost a notice; milliseconds. */
const COMPARE_INTERVAL_MS = 5 * 60_000;

/** What systems and half-done copies leave in folders: names with a leading dot, and two of Windows'. */
export function isIgnoredName(name: string): boolean {
  return name.startsWith('.') || name === 'Thumbs.db' || name === 'desktop.ini';
}

export function createDrop({ config, model, objects, batch, logger }: DropOptions): Drop {
  const { watch } = objects;
  const isFolder = watch !== undefined;
  const isOn =
    config.DROP === 'on' ||
    (config.DROP === 'auto' && config.JOBS === 'local' && (isFolder || config.S3_ENDPOINT !== undefined));
  const closing = new AbortController();
  const arrived = new Set<string>();
  const handedOver = new Map<string, string>();
  const open = new Set<string>();
  let watching: { close(): Promise<void> } | undefined;
  let comparing: Promise<void> | undefined;
  let flushing: Promise<void> = Promise.resolve();
  let quiet: NodeJS.Timeout | undefined;
  let firstAt = 0;

  const report = (error: unknown) => {
    if (!closing.signal.aborted)
      logger.error({ err: error }, 'drop: not handed over; the next comparison tries again');
  };

  function arrive(key: string): void {
    if (arrived.size === 0) firstAt = Date.now();
    arrived.add(key);
    clearTimeout(quiet);
    const wait =
      arrived.size >= MAX_OBJECTS ? 0 : Math.min(QUIET_MS, Math.max(0, firstAt + LONGEST_MS - Date.now()));
    quiet = setTimeout(() => {
      const keys = [...arrived];
      arrived.clear();
      flushing = flushing.then(() => handOverKeys(keys)).catch(report);
    }, wait);
  }

  async function handOverKeys(keys: readonly string[]): Promise<void> {
    const inputs: ShardInput[] = [];
    for (const key of keys) {
      try {
        const { etag, size } = await objects.head(checkKey(key));
        inputs.push({ key, etag, size });
      } catch (error) {
        // Taken away again before anybody looked.
        if (!isAppError(error, 'OBJECT_NOT_FOUND')) throw error;
      }
    }
    await handOver(inputs);
  }

  async function handOver(inputs: readonly ShardInput[]): Promise<void> {
    const fresh = inputs
      .filter(({ key, etag }) => handedOver.get(key) !== etag)
      .sort((a, b) => compareKeys(a.key, b.key));
    for (let i = 0; i < fresh.length; i += MAX_OBJECTS) {
      const part = fresh.slice(i, i + MAX_OBJECTS);
      const parts = part.flatMap(({ key, etag }) => [key, etag ?? '']);
      const jobId = derivedJobId('d', [model, String(Date.now()), ...parts]);
      await batch.submit({
        jobId,
        origin: 'drop',
        source: { kind: 'objects', objects: part },
        model,
        topK: TOP_K,
      });
      // Only a folder's comparison asks for them; of a store that is listed, `handedOver` knows.
      if (isFolder) open.add(jobId);
      for (const { key, etag } of part) remember(key, etag ?? '');
      logger.info({ jobId, inputs: part.length }, 'drop: classifying what was dropped');
    }
  }

  function remember(key: string, etag: string): void {
    handedOver.delete(key);
    handedOver.set(key, etag);
    const oldest = handedOver.size > MAX_REMEMBERED ? handedOver.keys().next().value : undefined;
    if (oldest !== undefined) handedOver.delete(oldest);
  }

  /** Hands over every input that has no output yet. */
  async function compare(): Promise<void> {
    const { signal } = closing;
    let waiting: ShardInput[] = [];
    const inputs = objects.list(INPUT_PREFIX, { signal });
    for await (const { key, etag, size } of missingOutputs(inputs, objects.list(OUTPUT_PREFIX, { signal }))) {
      if (isFolderMarker(key) || key.split('/').some(isIgnoredName)) continue;
      waiting.push({ key, etag, size });
      if (waiting.length < MAX_OBJECTS) continue;
      await handOver(waiting);
      waiting = [];
    }
    await handOver(waiting);
  }

  /** Inputs of a job that has not ended have no outputs yet: they are not to be handed over a second time. */
  async function untilJobsEnd(): Promise<void> {
    while (open.size > 0) {
      for (const jobId of [...open]) {
        const status = await batch.status(jobId).catch((error: unknown) => {
          if (isAppError(error, 'JOB_NOT_FOUND')) return undefined;
          throw error;
        });
        if (!status || status.finishedAt !== undefined) open.delete(jobId);
      }
      if (open.size > 0) await sleep(1_000, undefined, { signal: closing.signal });
    }
  }

  async function compareAgainAndAgain(): Promise<void> {
    const { signal } = closing;
    const interval = isFolder ? COMPARE_INTERVAL_MS : config.DROP_INTERVAL_MS;
    for (let round = 0; !signal.aborted; round++) {
      try {
        if (isFolder || round === 0) await untilJobsEnd();
        await compare();
      } catch (error) {
        report(error);
      }
      await sleep(interval, undefined, { signal }).catch(() => undefined);
    }
  }

  return {
    async start(unfinished) {
      if (!isOn) return;
      for (const jobId of unfinished) open.add(jobId);
      if (watch) {
        watching = await watch(INPUT_PREFIX, isIgnoredName, arrive, report);
        logger.info({ store: objects.uri }, 'drop: pictures put into its input/ are classified');
      } else {
        logger.info({ store: objects.uri }, 'drop: listing input/ for new pictures');
      }
      comparing = compareAgainAndAgain();
    },
    async close() {
      closing.abort();
      clearTimeout(quiet);
      await watching?.close();
      await Promise.allSettled([flushing, comparing]);
    },
  };
}
