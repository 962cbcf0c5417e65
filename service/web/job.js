import { call, getJson, Problem } from './api.js';
import { curlOf, showCurl } from './curl.js';
import { el } from './dom.js';
import { headOf, isEnded, sentenceOf, sumOf } from './job-head.js';
import { notice, problemNotice, wordsOf } from './notice.js';
import { resultTable } from './results.js';
import { pause } from './upload.js';

/** Seconds between requests, also after a failure. */
const POLL = 1;
const POLL_WHEN_GONE = 3;
/** Maximum requests per second, because APIs have a rate limit. */
const POLLS_PER_SECOND = 20;

/** Shows jobs as one until they end or the user leaves. */
export async function watchJobs(ids, view, { onBack, signal }) {
  const head = el('div', { class: 'card' });
  const trouble = el('div', { 'aria-live': 'polite' });
  const results = el('section', { class: 'results', 'aria-label': 'Results' });
  const curl = el('section', { class: 'curl', 'aria-label': 'The same from a terminal' });
  const back = el('button', { type: 'button', class: 'quiet back', onclick: onBack }, '← All jobs');
  const said = el('p', { class: 'hint more', role: 'status' });
  view.replaceChildren(back, trouble, head, results, curl);
  showCurl(
    curl,
    ids.flatMap((id) => [curlOf(`batch/${id}`), curlOf(`batch/${id}/results`, ` -o results-${id}.jsonl`)]),
  );

  const samples = [];
  /** Jobs that no longer change. */
  const ended = new Map();
  let announced;
  for (;;) {
    let jobs;
    try {
      jobs = await Promise.all(ids.map((id) => ended.get(id) ?? getJson(`batch/${id}`, { signal })));
      for (const job of jobs) if (isEnded(job)) ended.set(job.jobId, job);
      trouble.replaceChildren();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      if (error.status > 0 && error.status < 500) return trouble.replaceChildren(problemNotice(error));
      if (trouble.childElementCount === 0) {
        const text = `The page asks again every ${POLL_WHEN_GONE} seconds. The job continues when the service is back.`;
        trouble.replaceChildren(notice({ ...wordsOf(error), text, kind: 'wait' }));
      }
    }
    if (jobs) {
      const sum = sumOf(jobs);
      samples.push({ at: performance.now(), done: sum.counts.succeeded + sum.counts.failed });
      head.replaceChildren(...headOf(jobs, sum, samples, () => cancel(jobs, trouble)), said);
      if (announced !== sum.status) said.textContent = sentenceOf(sum);
      announced = sum.status;
      if (sum.isEnded) return showResults(jobs, results, signal);
    }
    try {
      const least = (ids.length - ended.size) / POLLS_PER_SECOND;
      await pause(Math.max(least, jobs ? POLL : POLL_WHEN_GONE), signal);
    } catch {
      // The user left the job.
      return;
    }
  }
}

async function cancel(jobs, trouble) {
  try {
    await Promise.all(jobs.map(({ jobId }) => call(`batch/${jobId}`, { method: 'DELETE' })));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    trouble.replaceChildren(problemNotice(error, ['Try again', () => void cancel(jobs, trouble)]));
  }
}

async function showResults(jobs, place, signal) {
  try {
    place.replaceChildren(el('p', { class: 'soft' }, 'Loading the results…'));
    place.replaceChildren(...(await resultTable(jobs, signal)));
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof Problem)) throw error;
    place.replaceChildren(problemNotice(error, ['Try again', () => void showResults(jobs, place, signal)]));
  }
}
