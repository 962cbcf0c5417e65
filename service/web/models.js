import { getJson, Problem } from './api.js';
import { byId, el, fact } from './dom.js';
import { number, percent, readable } from './format.js';
import { problemNotice, wordsOf } from './notice.js';

/** Labels on screen at once; the search finds the others. */
const MAX_LABELS = 60;
/** Metrics of a classifier of images: shown in a table, not among the facts. */
const ACCURACY = new Set(['top1', 'top5', 'dataset']);

/** The models tab: which models are loaded and how they run. */
export function createModels() {
  const list = byId('model-list');
  return {
    async open() {
      try {
        const { models } = await getJson('models');
        list.replaceChildren(
          ...(models.length > 0
            ? models.map(card)
            : [el('p', { class: 'empty' }, 'No model is loaded yet. Try again in a few seconds.')]),
        );
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        list.replaceChildren(problemNotice(error, ['Try again', () => void this.open()]));
      }
    },
  };
}

function card(model) {
  const { metrics } = model;
  const facts = Object.entries(metrics).filter(([name]) => metrics.top1 === undefined || !ACCURACY.has(name));
  return el(
    'article',
    { class: 'card model' },
    el(
      'div',
      { class: 'row' },
      el('h2', {}, `${model.name} ${model.version}`),
      el('span', { class: model.ready ? 'badge good' : 'badge mixed' }, model.ready ? 'Ready' : 'Loading'),
    ),
    el('p', {}, model.description),
    el(
      'dl',
      { class: 'facts' },
      fact('Engine', model.engine),
      fact('Precision', model.precision),
      ...(model.degraded ? [fact('Slow', model.degraded)] : []),
      ...inputOf(model),
      fact('Licence', model.licence),
      ...facts.map(([name, value]) => fact(readable(name), String(value))),
    ),
    accuracyOf(model),
    model.classes > 0 && labelsOf(model),
  );
}

/** The size of an image, or the columns of a row and what a regression predicts. */
function inputOf({ input, target }) {
  if (!input.features)
    return [fact('Input', `${input.width} × ${input.height} pixels, ${input.channels} channels`)];
  const columns = input.features.map(({ name }) => name).join(', ');
  const route = 'Rows of a table: JSON or CSV to POST /predict';
  return [fact('Input', route), fact('Columns', columns), ...(target ? [fact('Predicts', target)] : [])];
}

/** Shares of right answers, each with the pictures it was measured on: figures of two picture sets do not compare. */
function accuracyOf({ metrics, published }) {
  const rows = [
    published && ['Published with the weights', published],
    metrics.top1 !== undefined && ['Measured', metrics],
  ].filter(Boolean);
  if (rows.length === 0) return undefined;
  const heads = [['Accuracy'], ['First guess', 'number'], ['Five guesses', 'number']];
  return el(
    'div',
    { class: 'scroll accuracy' },
    el(
      'table',
      {},
      el(
        'thead',
        {},
        el('tr', {}, ...heads.map(([name, style]) => el('th', { scope: 'col', class: style }, name))),
      ),
      el(
        'tbody',
        {},
        ...rows.map(([name, { top1, top5, dataset }]) =>
          el(
            'tr',
            {},
            el('td', {}, name, el('span', { class: 'hint' }, dataset)),
            ...[top1, top5].map((share) =>
              el('td', { class: 'number' }, share === undefined ? '–' : percent(share)),
            ),
          ),
        ),
      ),
    ),
  );
}

/** The labels are requested when they are opened: a list of models does not contain them. */
function labelsOf({ name, classes }) {
  const list = el('ul', { class: 'labels' });
  const count = el('p', { class: 'hint', role: 'status' });
  let labels;
  const show = (text) => {
    if (!labels) return;
    const wanted = text.trim().toLowerCase();
    const found = labels
      .map((label, index) => [index, readable(label)])
      .filter(([, label]) => label.toLowerCase().includes(wanted));
    list.replaceChildren(
      ...found.slice(0, MAX_LABELS).map(([index, label]) => el('li', {}, el('b', {}, String(index)), label)),
    );
    const shown = found.length > MAX_LABELS ? `; the first ${MAX_LABELS} are shown` : '';
    count.textContent =
      found.length === 0
        ? 'No class has that in its name.'
        : `${number(found.length)} of ${number(labels.length)} classes${shown}`;
  };
  const filter = el('input', {
    type: 'search',
    class: 'filter',
    placeholder: 'Find a class',
    'aria-label': 'Find a class',
    oninput: ({ target }) => show(target.value),
  });
  const details = el(
    'details',
    {},
    el('summary', {}, classes === 1 ? 'Its class' : `Its ${number(classes)} classes`),
    filter,
    count,
    list,
  );
  details.addEventListener('toggle', async () => {
    if (!details.open || labels) return;
    count.textContent = 'Loading the classes…';
    try {
      ({ labels } = await getJson(`models/${encodeURIComponent(name)}`));
      show(filter.value);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      count.textContent = `${wordsOf(error).title}. Close and open the list to try again.`;
    }
  });
  return details;
}
