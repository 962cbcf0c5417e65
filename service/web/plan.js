import { getJson, Problem } from './api.js';
import { el } from './dom.js';
import { dollars, duration, number } from './format.js';
import { wordsOf } from './notice.js';

/**
 * The estimated time and cost of a job. The element is filled when the response arrives. The pictures can be sent
 * without it.
 *
 * @param {File[]} pictures
 */
export function planOf(pictures) {
  const place = el(
    'section',
    { class: 'plan', 'aria-label': 'Time and cost' },
    el('p', { class: 'hint' }, 'Estimating time and cost…'),
  );
  void fillIn(place, pictures);
  return place;
}

async function fillIn(place, pictures) {
  const total = pictures.reduce((sum, { size }) => sum + size, 0);
  try {
    const average = Math.max(1, Math.round(total / pictures.length));
    const plan = await getJson(`plan?images=${pictures.length}&imageBytes=${average}`);
    place.replaceChildren(
      el('h3', {}, 'Estimated time and cost'),
      tableOf(plan),
      ...[speedHint(plan)].filter(Boolean),
      arithmeticOf(plan),
    );
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    place.replaceChildren(
      el('p', { class: 'hint' }, `No estimate of time and cost: ${wordsOf(error).title}.`),
    );
  }
}

function tableOf({ estimates }) {
  const head = [['Where'], ['Time', 'number'], ['Cost', 'number']].map(([name, className]) =>
    el('th', { scope: 'col', class: className }, name),
  );
  const rows = estimates.map(({ where, seconds, usd }) =>
    el(
      'tr',
      {},
      el('td', {}, usd === null ? 'This machine' : where),
      el('td', { class: 'number' }, duration(seconds)),
      el('td', { class: 'number' }, usd === null ? 'none' : dollars(usd)),
    ),
  );
  return el(
    'div',
    { class: 'scroll' },
    el('table', {}, el('thead', {}, el('tr', {}, ...head)), el('tbody', {}, ...rows)),
  );
}

/** Until the service has classified a few pictures, the estimate uses the documented speed of another machine. */
function speedHint({ estimates, speed: { here } }) {
  if (here.where === 'this machine' || estimates.every(({ usd }) => usd !== null)) return undefined;
  const text = `This assumes that this machine is as fast as ${here.where}. To measure it, classify a few single pictures.`;
  return el('p', { class: 'hint more' }, text);
}

/** The arithmetic behind each figure. */
function arithmeticOf({ images, size, speed, prices, estimates, notes }) {
  const picture = `${number(images)} pictures of about ${size.width} × ${size.height} pixels`;
  const sources = `Speed: ${speed.here.source}. Prices: ${prices.region}, US dollars, as of ${prices.recordedOn}; check the current prices.`;
  return el(
    'details',
    {},
    el('summary', {}, 'How this is calculated'),
    el('p', { class: 'hint' }, `Assumes ${picture}. ${sources}`),
    ...estimates.flatMap(({ where, arithmetic }) => [
      el('h4', {}, where),
      el('pre', { tabindex: '0' }, el('code', {}, arithmetic.join('\n'))),
    ]),
    el(
      'ul',
      { class: 'hint notes' },
      ...notes.map((note) => el('li', {}, `${note[0].toUpperCase()}${note.slice(1)}.`)),
    ),
  );
}
