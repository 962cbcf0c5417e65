import { getJson, Problem } from './api.js';
import { byId, el } from './dom.js';
import { moment, number } from './format.js';
import { badge, isEnded } from './job-head.js';
import { problemNotice } from './notice.js';

/** Lists the jobs, newest first, a page at a time. */
export async function listJobs(showJobs, cursor) {
  const place = byId('job-list');
  try {
    const { jobs, next } = await getJson(cursor ? `batch?cursor=${encodeURIComponent(cursor)}` : 'batch');
    if (!cursor && jobs.length === 0) {
      place.replaceChildren(
        el('p', { class: 'empty' }, 'No jobs yet. Drop a folder of pictures to start one.'),
      );
      return;
    }
    place.querySelector('.more')?.remove();
    const body = cursor ? place.querySelector('tbody') : el('tbody');
    body.append(...jobs.map((job) => jobRow(job, showJobs)));
    if (!cursor) place.replaceChildren(table(body));
    if (next)
      place.append(
        el(
          'p',
          { class: 'more' },
          el('button', { type: 'button', onclick: () => void listJobs(showJobs, next) }, 'Older jobs'),
        ),
      );
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    place.replaceChildren(problemNotice(error, ['Try again', () => void listJobs(showJobs)]));
  }
}

function table(body) {
  const heads = [
    ['Started'],
    ['Status'],
    ['Pictures', 'number'],
    ['Failed', 'number wide-only'],
    ['Model', 'wide-only'],
  ];
  const cells = heads.map(([name, className]) => el('th', { scope: 'col', class: className }, name));
  const last = el('td', { class: 'open' });
  return el('div', { class: 'scroll' }, el('table', {}, el('thead', {}, el('tr', {}, ...cells, last)), body));
}

function jobRow(job, showJobs) {
  const { jobId, counts, createdAt, model } = job;
  const label = isEnded(job) ? 'Results' : 'Watch';
  const open = el(
    'button',
    {
      type: 'button',
      class: 'quiet',
      'aria-label': `${label} of the job of ${moment(createdAt)}`,
      onclick: () => showJobs([jobId]),
    },
    label,
  );
  return el(
    'tr',
    {},
    el('td', {}, moment(createdAt)),
    el('td', {}, badge(job)),
    el('td', { class: 'number' }, number(counts.total)),
    el('td', { class: 'number wide-only' }, number(counts.failed)),
    el('td', { class: 'wide-only' }, model),
    el('td', { class: 'open' }, open),
  );
}
