import { getJson, Problem } from './api.js';
import { el } from './dom.js';
import { dollars, duration, number } from './format.js';
import { wordsOf } from './notice.js';

/**
 * What so many pictures would take and cost, before anything is sent. Filled when the answer is there; an answer that does
 * not come is said, and keeps nobody from sending.
 *
 * @param {File[]} pictures
 */
export function planOf(pictures) {
  const place = el(
    'section',
    { class: 'plan', 'aria-label': 'Time and cost' },
    el('p', { class: 'hint' }, 'Working out time and cost…'),
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
      el('h3', {}, 'About how long, and what it costs'),
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
      el('td', { class: 'number' }, usd === null ? 'no extra' : dollars(usd)),
    ),
  );
  return el(
    'div',
    { class: 'scroll' },
    el('table', {}, el('thead', {}, el('tr', {}, ...head)), el('tbody', {}, ...rows)),
  );
}

/** Until it is measured, the speed is that of another machine. */
function speedHint({ estimates, speed: { here } }) {
  if (here.where === 'this machine' || estimates.every(({ usd }) => usd !== null)) return undefined;
  const text = `This machine is taken to be as fast as ${here.where}. Classify a few single pictures, and it is measured.`;
  return el('p', { class: 'hint more' }, text);
}

/** Every figure with how it comes about, for those who want to check it. */
function arithmeticOf({ images, size, speed, prices, estimates, notes }) {
  const picture = `${number(images)} of about ${size.width} × ${size.height} pixels each`;
  const sources = `Speed: ${speed.here.source}. Prices: ${prices.region}, US dollars, written down on ${prices.recordedOn}; check them before money depends on them.`;
  return el(
    'details',
    {},
    el('summary', {}, 'How that is worked out'),
    el('p', { class: 'hint' }, `Taken to be ${picture}. ${sources}`),
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
