import { call, getJson, Problem } from './api.js';
import { curlOf, showCurl } from './curl.js';
import { el, fact, fill, icon } from './dom.js';
import { duration, number, plural } from './format.js';
import { notice, problemNotice, wordsOf } from './notice.js';
import { resultTable } from './results.js';
import { download } from './rows.js';
import { pause } from './upload.js';

/** Seconds between requests, also after a failure. */
const POLL = 1;
const POLL_WHEN_GONE = 3;
/** Maximum requests per second, because APIs have a rate limit. */
const POLLS_PER_SECOND = 20;
/** The rate is measured over this window: at its start, a job loads the model. */
const RATE_WINDOW_MS = 20_000;

const ENDED = new Set(['SUCCEEDED', 'PARTIAL', 'FAILED', 'CANCELLED']);
const STATES = {
  SUBMITTED: ['Waiting', ''],
  RUNNING: ['Running', ''],
  SUCCEEDED: ['Done', 'good'],
  PARTIAL: ['Done, with failures', 'mixed'],
  FAILED: ['Failed', 'bad'],
  CANCELLED: ['Cancelled', 'mixed'],
};
export const badge = (status) => el('span', { class: `badge ${STATES[status][1]}` }, STATES[status][0]);
export const isEnded = ({ status, finishedAt }) => ENDED.has(status) && finishedAt !== undefined;

/** Sums up jobs: an upload of many files becomes several of them. */
function sumOf(jobs) {
  const counts = { total: 0, succeeded: 0, failed: 0, pending: 0 };
  for (const job of jobs) for (const name of Object.keys(counts)) counts[name] += job.counts[name];
  const states = new Set(jobs.map((job) => job.status));
  const unfinished = jobs.filter((job) => !isEnded(job));
  let status = 'RUNNING';
  if (unfinished.length === 0) {
    if (states.has('CANCELLED')) status = 'CANCELLED';
    else if (states.size === 1) [status] = states;
    else status = 'PARTIAL';
  } else if (states.size === 1) [status] = states;
  return { counts, status, isEnded: unfinished.length === 0 };
}

/** Pictures per second over the last samples; undefined until two samples differ. */
function rateOf(samples) {
  const last = samples.at(-1);
  const first = samples.find(({ at }) => last.at - at <= RATE_WINDOW_MS);
  const seconds = (last.at - first.at) / 1000;
  return seconds > 0 && last.done > first.done ? (last.done - first.done) / seconds : undefined;
}

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

function sentenceOf({ status, counts }) {
  if (status === 'SUBMITTED') return 'A worker is starting and loads the model. This takes a few seconds.';
  if (status === 'RUNNING') return 'You can close this page. The job continues and is listed under Batch.';
  if (status === 'CANCELLED') return 'Cancelled. The results so far are kept.';
  if (counts.failed > 0)
    return `${number(counts.succeeded)} of ${plural(counts.total, 'picture')} are classified.`;
  return 'Every picture has a result.';
}

function headOf(jobs, { counts, status, isEnded: hasEnded }, samples, onCancel) {
  const done = counts.succeeded + counts.failed;
  const rate = rateOf(samples);
  const startedAt = Math.min(...jobs.map((job) => Date.parse(job.createdAt)));
  const facts = [
    fact('Done', `${number(done)} of ${number(counts.total)}`),
    fact('Failed', number(counts.failed)),
  ];
  if (hasEnded) {
    const seconds = (Math.max(...jobs.map((job) => Date.parse(job.finishedAt))) - startedAt) / 1000;
    facts.push(
      fact('Took', duration(Math.max(1, seconds))),
      fact('Average rate', `${(done / Math.max(1, seconds)).toFixed(1)} / s`),
    );
  } else {
    facts.push(fact('Rate', rate === undefined ? '–' : `${rate.toFixed(1)} / s`));
    facts.push(fact('Time left', rate === undefined ? '–' : `about ${duration(counts.pending / rate)}`));
  }
  const bar = el(
    'div',
    {
      class: 'progress',
      role: 'progressbar',
      'aria-label': 'Pictures done',
      'aria-valuemin': '0',
      'aria-valuemax': String(counts.total),
      'aria-valuenow': String(done),
    },
    counts.total > 0 && fill(counts.succeeded / counts.total),
    counts.total > 0 && fill(counts.failed / counts.total, 'failed'),
  );
  const button = (label, properties, ...children) =>
    el('button', { type: 'button', ...properties }, ...children, label);
  const reasons = [
    ...new Set(jobs.map((job) => job.reason).filter((reason) => reason && status === 'FAILED')),
  ];
  return [
    el('div', { class: 'row' }, el('h2', {}, plural(counts.total, 'picture')), badge(status)),
    bar,
    el('dl', { class: 'figures' }, ...facts),
    ...reasons.map((reason) => el('p', {}, `Reason: ${reason}.`)),
    el(
      'p',
      { class: 'actions' },
      hasEnded && done > 0 && button('CSV', { onclick: () => void download(jobs, 'csv') }, icon('download')),
      hasEnded &&
        done > 0 &&
        button('JSON Lines', { onclick: () => void download(jobs, 'jsonl') }, icon('download')),
      !hasEnded && button('Cancel', { class: 'danger', onclick: onCancel, disabled: status === 'CANCELLED' }),
    ),
  ];
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
