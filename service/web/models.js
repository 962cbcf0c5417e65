import { getJson, Problem } from './api.js';
import { byId, el, fact } from './dom.js';
import { number, percent, readable } from './format.js';
import { problemNotice } from './notice.js';

/** Labels that are shown at once; the filter finds the others. */
const MOST_LABELS = 60;

const METRICS = {
  top1: 'Right at first guess',
  top5: 'Right within five guesses',
  dataset: 'Measured on',
  publishedTop1: 'Published: right at first guess',
  publishedTop5: 'Published: right within five guesses',
  publishedDataset: 'Published for',
};

/** The models tab: what is loaded. */
export function createModels() {
  const list = byId('model-list');
  return {
    async open() {
      try {
        const { models } = await getJson('models');
        list.replaceChildren(
          ...(models.length > 0
            ? models.map(card)
            : [el('p', { class: 'empty' }, 'No model is loaded yet. Look again in a few seconds.')]),
        );
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        list.replaceChildren(problemNotice(error, [['Try again', () => void this.open()]]));
      }
    },
  };
}

function card(model) {
  const { metrics } = model;
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
      ...takes(model),
      fact('Licence', model.licence),
      ...Object.entries(metrics).map(([name, value]) =>
        fact(METRICS[name] ?? readable(name), metricOf(name, value)),
      ),
    ),
    model.labels.length > 0 && labels(model.labels),
  );
}

/** A picture, or the columns of a row; a regression says what it predicts. */
function takes({ input, target }) {
  if (!input.features)
    return [fact('Sees', `${input.width} × ${input.height} pixels, ${input.channels} channels`)];
  const columns = input.features.map(({ name }) => name).join(', ');
  const route = 'Rows of a table, as JSON or CSV to POST /predict';
  return [fact('Takes', route), fact('Columns', columns), ...(target ? [fact('Predicts', target)] : [])];
}

const metricOf = (name, value) =>
  typeof value === 'number' && /top\d$/i.test(name) ? percent(value) : String(value);

function labels(all) {
  const list = el('ul', { class: 'labels' });
  const count = el('p', { class: 'hint', role: 'status' });
  const show = (text) => {
    const wanted = text.trim().toLowerCase();
    const found = all
      .map((label, index) => [index, readable(label)])
      .filter(([, label]) => label.toLowerCase().includes(wanted));
    list.replaceChildren(
      ...found.slice(0, MOST_LABELS).map(([index, label]) => el('li', {}, el('b', {}, String(index)), label)),
    );
    const shown = found.length > MOST_LABELS ? `; the first ${MOST_LABELS} are shown` : '';
    count.textContent =
      found.length === 0
        ? 'No class has that in its name.'
        : `${number(found.length)} of ${number(all.length)} classes${shown}`;
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
    el('summary', {}, `The ${number(all.length)} classes it knows`),
    filter,
    count,
    list,
  );
  details.addEventListener('toggle', () => show(filter.value), { once: true });
  return details;
}
