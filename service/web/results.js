import { call } from './api.js';
import { el } from './dom.js';
import { number, percent, readable } from './format.js';

/** Rows kept for the table; downloads always have all of them. */
const MOST_KEPT = 20_000;
const PAGE = 100;

/** The rows of jobs, one after the other, as they arrive. */
async function* rowsOf(jobs, signal) {
  for (const { jobId } of jobs) {
    const response = await call(`batch/${jobId}/results`, { signal });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { done, value = '' } = await reader.read();
      const lines = (rest + value).split('\n');
      rest = done ? '' : lines.pop();
      for (const line of lines) if (line !== '') yield JSON.parse(line);
      if (done) break;
    }
  }
}

/** "jobs/<id>/uploads/<request>/cat.jpg" and "input/cat.jpg" are both shown as "cat.jpg". */
const fileOf = (key) => key.replace(/^jobs\/[^/]+\/uploads\/[0-9a-f]{16}\/|^input\//, '');

/** All rows as a file. @param {'csv' | 'jsonl'} kind */
export async function download(jobs, kind, signal) {
  const parts = [];
  for (const { jobId } of jobs) {
    const response = await call(`batch/${jobId}/results?format=${kind}`, { signal });
    const blob = await response.blob();
    const hasHeader = kind === 'csv' && parts.length > 0;
    parts.push(hasHeader ? blob.slice((await blob.text()).indexOf('\n') + 1) : blob);
  }
  const type = kind === 'csv' ? 'text/csv;charset=utf-8' : 'application/x-ndjson';
  const url = URL.createObjectURL(new Blob(parts, { type }));
  el('a', { href: url, download: `results-${jobs[0].jobId}.${kind}` }).click();
  // The click has been handed over by then, but not yet read everywhere.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** A table of rows with a filter by outcome and reason. */
export async function resultTable(jobs, signal) {
  const rows = [];
  let total = 0;
  const codes = new Map();
  for await (const row of rowsOf(jobs, signal)) {
    total += 1;
    if (row.error) codes.set(row.error.code, (codes.get(row.error.code) ?? 0) + 1);
    if (rows.length < MOST_KEPT) rows.push(row);
  }
  const failed = [...codes.values()].reduce((sum, count) => sum + count, 0);
  const body = el('tbody');
  const more = el('p', { class: 'more' });
  const select = el(
    'select',
    { 'aria-label': 'Which results are shown', onchange: () => show(PAGE) },
    el('option', { value: 'all' }, `All results (${number(total)})`),
    failed > 0 && el('option', { value: 'failed' }, `All failures (${number(failed)})`),
    ...[...codes].map(([code, count]) =>
      el('option', { value: code }, `${reasonOf(code)} (${number(count)})`),
    ),
  );
  if (failed > 0) select.value = 'failed';

  function show(count) {
    const wanted = select.value;
    const found = rows.filter(
      ({ error }) => wanted === 'all' || (error && (wanted === 'failed' || wanted === error.code)),
    );
    body.replaceChildren(...found.slice(0, count).map(rowElement));
    const left = found.length - count;
    more.replaceChildren(
      ...(left > 0
        ? [
            el(
              'button',
              { type: 'button', onclick: () => show(count + PAGE) },
              `Show ${number(Math.min(left, PAGE))} more of ${number(left)}`,
            ),
          ]
        : []),
      ...(left <= 0 && total > rows.length
        ? [`The table has the first ${number(rows.length)} rows; the downloads have all ${number(total)}.`]
        : []),
    );
  }
  show(PAGE);
  const head = ['File', 'Result', 'Probability'].map((name, at) =>
    el('th', at === 2 ? { scope: 'col', class: 'number' } : { scope: 'col' }, name),
  );
  return [
    el('div', { class: 'row' }, el('h2', {}, 'Results'), select),
    el(
      'div',
      { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Results' },
      el('table', {}, el('thead', {}, el('tr', {}, ...head)), body),
    ),
    more,
  ];
}

const REASONS = {
  UNREADABLE_IMAGE: 'Cannot be read',
  IMAGE_TOO_LARGE: 'Too large',
  UNSUPPORTED_MEDIA_TYPE: 'Not a picture',
  OBJECT_NOT_FOUND: 'Not there any more',
  OBJECT_CHANGED: 'Changed meanwhile',
  WORKER_CRASHED: 'Crashes the worker',
};
const reasonOf = (code) => REASONS[code] ?? code;

/** A file of rows has a prediction a row instead of classes of one picture. */
const isTable = (predictions = []) =>
  predictions.some((each) => !('index' in each) || 'probabilities' in each);

function rowElement({ key, predictions, error }) {
  const file = el('td', { class: 'file' }, fileOf(key));
  if (error) {
    return el(
      'tr',
      {},
      file,
      el(
        'td',
        { colspan: '2' },
        el('span', { class: 'badge bad' }, reasonOf(error.code)),
        el('span', { class: 'hint' }, error.message),
      ),
    );
  }
  const [first] = predictions ?? [];
  if (isTable(predictions)) {
    const text = `${number(predictions.length)} rows, each with its prediction in the downloads`;
    return el('tr', {}, file, el('td', { colspan: '2' }, text));
  }
  return el(
    'tr',
    {},
    file,
    el('td', {}, readable(first?.label ?? '')),
    el('td', { class: 'number' }, percent(first?.probability ?? 0)),
  );
}
