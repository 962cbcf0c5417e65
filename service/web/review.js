import { el } from './dom.js';
import { MAX_DROPPED } from './files.js';
import { bytes, number, plural } from './format.js';
import { notice } from './notice.js';
import { isPicture } from './pictures.js';
import { planOf } from './plan.js';

/** What would be sent, what not and why, what it takes and costs: before anything is sent. */
export function reviewOf(files, name, limits, { onSend, onDrop }) {
  const { pictures, leftOut } = sort(files, limits);
  if (pictures.length === 0) {
    const text = `Choose a folder with JPEG, PNG, WebP, AVIF, TIFF or GIF files. ${leftOut}`;
    return notice({ title: 'There is no picture to classify in that', text });
  }
  const total = pictures.reduce((sum, file) => sum + file.size, 0);
  if (total > limits.batchBytes) {
    const text = `${plural(pictures.length, 'picture')} of ${bytes(total)} in all are more than the ${bytes(limits.batchBytes)} that go through this page. Choose a part of them, or put them into the store under input/ as the documentation says.`;
    return notice({ title: 'That is too much at once', text });
  }
  const capped =
    files.length >= MAX_DROPPED ? `Only the first ${number(MAX_DROPPED)} files were taken. ` : '';
  const button = (label, properties) => el('button', { type: 'button', ...properties }, label);
  return el(
    'div',
    { class: 'card' },
    el('h2', {}, name || plural(pictures.length, 'picture')),
    el('p', { class: 'soft' }, `${plural(pictures.length, 'picture')}, ${bytes(total)}. ${capped}${leftOut}`),
    planOf(pictures),
    el(
      'p',
      { class: 'actions more' },
      button(`Classify ${plural(pictures.length, 'picture')}`, {
        class: 'primary',
        onclick: () => onSend(pictures),
      }),
      button('Not now', { onclick: onDrop }),
    ),
  );
}

/** The files that can be sent, and a sentence about the others. */
function sort(files, { imageBytes }) {
  const pictures = [];
  const left = { others: 0, tooLarge: 0, empty: 0 };
  for (const file of files) {
    if (!isPicture(file)) left.others += 1;
    else if (file.size === 0) left.empty += 1;
    else if (file.size > imageBytes) left.tooLarge += 1;
    else pictures.push(file);
  }
  const { others, tooLarge, empty } = left;
  const parts = [
    others > 0 && `${plural(others, 'file')} that ${others === 1 ? 'is no picture' : 'are no pictures'}`,
    tooLarge > 0 && `${plural(tooLarge, 'picture')} of more than ${bytes(imageBytes)}`,
    empty > 0 && `${plural(empty, 'file')} of 0 bytes`,
  ].filter(Boolean);
  return { pictures, leftOut: parts.length > 0 ? `Left out: ${parts.join(', ')}.` : '' };
}
