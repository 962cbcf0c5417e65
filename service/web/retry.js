import { Problem } from './api.js';
import { el } from './dom.js';
import { notice, wordsOf } from './notice.js';

/** Attempts before the user is asked. A model loads, and a full queue empties, within seconds. */
const ATTEMPTS = { OVERLOADED: 6, RATE_LIMITED: 6, ENGINE_FAILED: 4, MODEL_NOT_READY: 40 };

/** Seconds before the next attempt: Retry-After, or a backoff if that is longer. */
function waitFor(problem, attempt) {
  const backoff = problem.code === 'MODEL_NOT_READY' ? 2 : Math.min(2 ** attempt, 20);
  return Math.max(problem.retryAfterSeconds ?? 1, backoff);
}

/**
 * Repeats `work` until it succeeds, the user stops it, or a retry cannot help.
 *
 * @param {HTMLElement} place shows the countdown
 * @throws {Problem}, or the AbortError of `signal`
 */
export async function withRetries(work, place, signal) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Problem) || attempt >= (ATTEMPTS[error.code] ?? 0)) throw error;
      await countDown(error, waitFor(error, attempt), place, signal);
    }
  }
}

/** Shows the seconds until the next attempt. Rejects with the problem if the user stops. */
function countDown(problem, seconds, place, signal) {
  return new Promise((resolve, reject) => {
    // Screen readers announce the notice once, not every second.
    const left = el('p', { class: 'hint', 'aria-hidden': 'true' });
    let remaining = seconds;
    const tell = () => {
      left.textContent = `Trying again in ${remaining} s`;
    };
    const end = (finish) => {
      clearInterval(timer);
      signal.removeEventListener('abort', onAbort);
      finish();
    };
    const onAbort = () => end(() => reject(signal.reason));
    const timer = setInterval(() => {
      remaining -= 1;
      if (remaining <= 0) end(resolve);
      else tell();
    }, 1000);
    signal.addEventListener('abort', onAbort);
    tell();
    const { title } = wordsOf(problem);
    const text =
      problem.code === 'MODEL_NOT_READY'
        ? 'This takes a few seconds after a start. Your picture is sent as soon as the model is ready.'
        : 'Your picture is sent again automatically.';
    const actions = [
      ['Try now', () => end(resolve)],
      ['Stop', () => end(() => reject(problem))],
    ];
    place.replaceChildren(notice({ title, text, kind: 'wait', more: [left], actions }));
  });
}
