import { el } from './dom.js';
import { number, plural, readable } from './format.js';
import { reasonOf, rowElement, topOf } from './result-row.js';
import { rowsOf } from './rows.js';
import { createThumbnails } from './thumbnails.js';

/** Rows in memory for the table. Downloads have all rows. */
const MAX_ROWS = 20_000;
const PAGE = 100;

/** Rows without a probability come last. */
const byProbability = (sign) => (a, b) => {
  const [x, y] = [topOf(a)?.probability, topOf(b)?.probability];
  if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
  return sign * (x - y);
};
const ORDERS = {
  job: ['Order of the files', undefined],
  most: ['Most certain first', byProbability(-1)],
  least: ['Least certain first', byProbability(1)],
};

/** The results of jobs as a table, with filters by outcome and label, and an order. */
export async function resultTable(jobs, signal) {
  const rows = [];
  let total = 0;
  const codes = new Map();
  const labels = new Map();
  const count = (map, name) => map.set(name, (map.get(name) ?? 0) + 1);
  for await (const row of rowsOf(jobs, signal)) {
    total += 1;
    if (row.error) count(codes, row.error.code);
    else if (topOf(row)) count(labels, readable(topOf(row).label));
    if (rows.length < MAX_ROWS) rows.push(row);
  }
  const failed = [...codes.values()].reduce((sum, each) => sum + each, 0);
  const thumbnailOf = createThumbnails(signal);

  const onchange = () => show(PAGE);
  const outcome = el(
    'select',
    { onchange },
    el('option', { value: 'all' }, `All (${number(total)})`),
    failed > 0 && el('option', { value: 'good' }, `Classified (${number(total - failed)})`),
    failed > 0 && el('option', { value: 'failed' }, `Failed (${number(failed)})`),
    ...[...codes].map(([code, sum]) => el('option', { value: code }, `${reasonOf(code)} (${number(sum)})`)),
  );
  const label = el('input', {
    type: 'search',
    list: 'labels-found',
    placeholder: 'Any label',
    autocomplete: 'off',
    oninput: onchange,
  });
  const known = el(
    'datalist',
    { id: 'labels-found' },
    ...[...labels]
      .sort((a, b) => b[1] - a[1])
      .map(([name, sum]) => el('option', { value: name }, plural(sum, 'picture'))),
  );
  const order = el(
    'select',
    { onchange },
    ...Object.entries(ORDERS).map(([value, [name]]) => el('option', { value }, name)),
  );
  const found = el('p', { class: 'hint', role: 'status' });
  const body = el('tbody');
  const more = el('p', { class: 'more' });

  function show(most) {
    const wanted = label.value.trim().toLowerCase();
    const matching = rows.filter((row) => hasOutcome(row, outcome.value) && hasLabel(row, wanted));
    const [, compare] = ORDERS[order.value];
    if (compare) matching.sort(compare);
    body.replaceChildren(...matching.slice(0, most).map((row) => rowElement(row, thumbnailOf(row))));
    found.textContent = `${number(matching.length)} of ${plural(rows.length, 'result')}`;
    const left = matching.length - most;
    more.replaceChildren();
    if (left > 0) {
      const text = `Show ${number(Math.min(left, PAGE))} more of ${number(left)}`;
      more.append(el('button', { type: 'button', onclick: () => show(most + PAGE) }, text));
    } else if (total > rows.length) {
      more.append(
        `The table has the first ${number(rows.length)} rows. The downloads have all ${number(total)}.`,
      );
    }
  }
  show(PAGE);

  const field = (name, control) => el('label', {}, el('span', {}, name), control);
  const heads = [
    ['picture', el('span', { class: 'visually-hidden' }, 'Picture')],
    [undefined, 'File'],
    [undefined, 'Result'],
    ['number', 'Probability'],
  ];
  return [
    el('div', { class: 'row' }, el('h2', {}, 'Results'), found),
    el(
      'div',
      { class: 'choice filters' },
      field('Show', outcome),
      labels.size > 0 && field('Label', label),
      labels.size > 0 && field('Sort', order),
      known,
    ),
    failed > 0 &&
      failureSummary(codes, failed, () => {
        outcome.value = 'failed';
        show(PAGE);
        outcome.focus();
      }),
    el(
      'div',
      { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Table of results' },
      el(
        'table',
        { class: 'files' },
        el(
          'thead',
          {},
          el('tr', {}, ...heads.map(([style, name]) => el('th', { scope: 'col', class: style }, name))),
        ),
        body,
      ),
    ),
    more,
  ].filter(Boolean);
}

const hasOutcome = ({ error }, wanted) => {
  if (wanted === 'all') return true;
  if (wanted === 'good') return !error;
  return error !== undefined && (wanted === 'failed' || wanted === error.code);
};

const hasLabel = (row, wanted) =>
  wanted === '' ||
  readable(topOf(row)?.label ?? '')
    .toLowerCase()
    .includes(wanted);

/** How many failed and why, above the results. */
function failureSummary(codes, failed, onShow) {
  const reasons = [...codes]
    .map(([code, sum]) => `${reasonOf(code).toLowerCase()} (${number(sum)})`)
    .join(', ');
  return el(
    'p',
    { class: 'failures' },
    el('span', {}, `${plural(failed, 'picture')} failed: ${reasons}`),
    el('button', { type: 'button', class: 'quiet', onclick: onShow }, 'Show the failures'),
  );
}
