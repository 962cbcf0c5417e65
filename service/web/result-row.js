import { el } from './dom.js';
import { pathParts, percent, plural, readable } from './format.js';
import { fileOf, isTable } from './rows.js';

const REASONS = {
  UNREADABLE_IMAGE: 'Cannot be read',
  IMAGE_TOO_LARGE: 'Too large',
  UNSUPPORTED_MEDIA_TYPE: 'Not a picture',
  OBJECT_NOT_FOUND: 'Deleted',
  OBJECT_CHANGED: 'Replaced',
  WORKER_CRASHED: 'Crashed the worker',
};
export const reasonOf = (code) => REASONS[code] ?? readable(code.toLowerCase());

/** The most likely class of a picture; a file of rows has none. */
export const topOf = (row) => (isTable(row) ? undefined : row.predictions?.[0]);
/** One result as a row of the table. */
export function rowElement(row, thumbnail) {
  const { predictions = [], error } = row;
  const picture = el('td', { class: 'picture' }, thumbnail);
  const file = el('td', { class: 'file' }, ...pathParts(fileOf(row)));
  if (error) {
    const badge = el('span', { class: 'badge bad' }, reasonOf(error.code));
    return el(
      'tr',
      {},
      picture,
      file,
      el('td', { colspan: '2' }, badge, el('span', { class: 'hint' }, error.message)),
    );
  }
  if (isTable(row)) {
    const text = `${plural(predictions.length, 'row')}; the downloads have the prediction of each`;
    return el('tr', {}, picture, file, el('td', { colspan: '2' }, text));
  }
  const [first, ...others] = predictions;
  const next = others.slice(0, 2).map((each) => `${readable(each.label)} ${percent(each.probability)}`);
  return el(
    'tr',
    {},
    picture,
    file,
    el(
      'td',
      {},
      readable(first?.label ?? ''),
      next.length > 0 && el('span', { class: 'hint next' }, next.join(', ')),
    ),
    el('td', { class: 'number' }, percent(first?.probability ?? 0)),
  );
}
