import { el, fact, fill, icon } from './dom.js';
import { duration, number, plural } from './format.js';
import { download, downloadReports } from './rows.js';

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
/** @param job or a sum of jobs; a job that stopped at its deadline has pending inputs */
export function badge({ status, counts }) {
  const [label, look] = STATES[status];
  return el(
    'span',
    { class: `badge ${look}` },
    status === 'PARTIAL' && counts.pending > 0 ? 'Stopped early' : label,
  );
}
export const isEnded = ({ status, finishedAt }) => ENDED.has(status) && finishedAt !== undefined;

/** Sums up jobs: an upload of many files becomes several of them. */
export function sumOf(jobs) {
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

/** What the state means for the user. */
export function sentenceOf({ status, counts }) {
  if (status === 'SUBMITTED') return 'A worker is starting and loads the model. This takes a few seconds.';
  if (status === 'RUNNING') return 'You can close this page. The job continues and is listed under Batch.';
  if (counts.pending > 0 && status === 'PARTIAL')
    return `Stopped early: ${plural(counts.pending, 'picture')} without a result. The results so far are kept.`;
  if (status === 'CANCELLED') return 'Cancelled. The results so far are kept.';
  if (counts.failed > 0)
    return `${number(counts.succeeded)} of ${plural(counts.total, 'picture')} are classified.`;
  return 'Every picture has a result.';
}

/** The card of a job: state, progress, figures and buttons. */
export function headOf(jobs, { counts, status, isEnded: hasEnded }, samples, onCancel) {
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
    ...new Set(
      jobs.map((job) => job.reason).filter((reason) => reason && ['FAILED', 'PARTIAL'].includes(status)),
    ),
  ];
  return [
    el('div', { class: 'row' }, el('h2', {}, plural(counts.total, 'picture')), badge({ status, counts })),
    el(
      'p',
      { class: 'soft' },
      `Model ${jobs[0].model}, ${jobs[0].topK === 1 ? '1 class' : `${jobs[0].topK} classes`} per picture`,
    ),
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
      hasEnded &&
        done > 0 &&
        button('Report', { onclick: () => void downloadReports(jobs) }, icon('download')),
      !hasEnded && button('Cancel', { class: 'danger', onclick: onCancel, disabled: status === 'CANCELLED' }),
    ),
  ];
}
