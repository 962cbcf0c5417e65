import { getJson, keyHeader, lostConnection, Problem, problemOf } from './api.js';
import { pathOf } from './files.js';
import { askForKey } from './key.js';
import { upload } from './large.js';

/** Maximum files of one request, and bytes of the part headers that surround each file. */
const PART_FILES = 500;
const PART_HEADERS = 512;
const ATTEMPTS = 4;
const RETRYABLE = new Set([
  'OVERLOADED',
  'RATE_LIMITED',
  'STORE_UNAVAILABLE',
  'QUEUE_UNAVAILABLE',
  'BROKEN_OFF',
  'GONE',
]);

/**
 * Splits files into parts of bounded size, in order; files over the limit of a request come last, in parts of their own.
 * Each part has an idempotency key: sent twice, it is one job.
 *
 * @returns {{ files: File[], bytes: number, isLarge: boolean, idempotencyKey: string }[]}
 */
export function partition(files, { batchFiles, partBytes, imageBytes }) {
  const most = Math.min(PART_FILES, batchFiles);
  const parts = [];
  let room = 0;
  const isLarge = (file) => file.size > imageBytes;
  for (const file of [...files.filter((each) => !isLarge(each)), ...files.filter(isLarge)]) {
    let part = parts.at(-1);
    const needed = isLarge(file) ? 0 : file.size + PART_HEADERS + pathOf(file).length * 3;
    if (!part || part.files.length >= most || needed > room || part.isLarge !== isLarge(file)) {
      part = { files: [], bytes: 0, isLarge: isLarge(file), idempotencyKey: randomName() };
      parts.push(part);
      room = partBytes;
    }
    part.files.push(file);
    part.bytes += file.size;
    room -= needed;
  }
  return parts;
}

/** crypto.randomUUID exists only under https. */
const randomName = () =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/**
 * Sends one part and retries after failures that pass.
 *
 * @param {{ topK: number, model?: string }} choice
 * @param {(sent: number) => void} onProgress bytes sent, including the form
 * @param {(problem: Problem, seconds: number) => void} onWait called before a pause
 * @returns the job
 * @throws {Problem}, or the signal's reason
 */
export async function uploadPart(part, choice, { onProgress, onWait }, signal) {
  for (let attempt = 1; ; ) {
    try {
      return await (part.isLarge ? postKeys : postForm)(part, choice, onProgress, signal);
    } catch (error) {
      if (signal.aborted || !(error instanceof Problem)) throw error;
      if (error.code === 'UNAUTHORIZED') {
        if (!(await askForKey('x-api-key' in keyHeader()))) throw error;
      } else {
        if (!RETRYABLE.has(error.code) || attempt >= ATTEMPTS) throw error;
        const seconds = Math.max(error.retryAfterSeconds ?? 1, 2 ** attempt);
        onWait(error, seconds);
        await pause(seconds, signal);
        attempt += 1;
      }
    }
  }
}

/** Uploads each file by its own URL, then submits their keys. */
async function postKeys({ files, idempotencyKey }, choice, onProgress, signal) {
  const objects = [];
  let sent = 0;
  for (const file of files) {
    objects.push(await upload(file, signal));
    sent += file.size;
    onProgress(sent);
  }
  const body = JSON.stringify({ idempotencyKey, objects, ...choice });
  const headers = { 'content-type': 'application/json' };
  return getJson('batch', { method: 'POST', body, headers, signal });
}

/** Uses XMLHttpRequest, because fetch does not report upload progress. */
function postForm({ files, idempotencyKey }, choice, onProgress, signal) {
  const form = new FormData();
  form.append('idempotencyKey', idempotencyKey);
  for (const [name, value] of Object.entries(choice)) if (value !== undefined) form.append(name, value);
  for (const file of files) form.append('files', file, pathOf(file));
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', 'batch');
    for (const [name, value] of Object.entries(keyHeader())) request.setRequestHeader(name, value);
    const abort = () => request.abort();
    signal.addEventListener('abort', abort);
    request.upload.addEventListener('progress', ({ loaded }) => onProgress(loaded));
    request.addEventListener('loadend', () => {
      signal.removeEventListener('abort', abort);
      if (signal.aborted) reject(signal.reason);
      else if (request.status === 202) resolve(JSON.parse(request.responseText));
      else if (request.status === 0) void lostConnection().then(reject);
      else reject(problemOf(request.status, request.responseText, request.getResponseHeader('retry-after')));
    });
    request.send(form);
  });
}

/** Waits. Rejects when the signal is aborted. */
export function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(done, seconds * 1000);
    function done() {
      signal.removeEventListener('abort', stop);
      resolve();
    }
    function stop() {
      clearTimeout(timer);
      reject(signal.reason);
    }
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
