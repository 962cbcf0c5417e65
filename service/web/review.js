import { el } from './dom.js';
import { MAX_DROPPED } from './files.js';
import { bytes, number, plural } from './format.js';
import { notice } from './notice.js';
import { isPicture } from './pictures.js';
import { planOf } from './plan.js';

/** The review before an upload: which files are sent, which are not and why, and the estimated time and cost. */
export function reviewOf(files, name, limits, { onSend, onDrop }) {
  const { pictures, leftOut } = sort(files, limits);
  if (pictures.length === 0) {
    const text = `Choose a folder with JPEG, PNG, WebP, AVIF, TIFF or GIF files. ${leftOut}`;
    return notice({ title: 'There are no pictures to classify', text });
  }
  const total = pictures.reduce((sum, file) => sum + file.size, 0);
  if (total > limits.batchBytes) {
    const text = `The ${plural(pictures.length, 'picture')} have ${bytes(total)}; this page sends up to ${bytes(limits.batchBytes)}. Choose fewer pictures, or put them into the store under input/ (see docs/batch.md).`;
    return notice({ title: 'These are too many bytes', text });
  }
  const capped = files.length >= MAX_DROPPED ? `Only the first ${number(MAX_DROPPED)} files are used. ` : '';
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
      button('Cancel', { onclick: onDrop }),
    ),
  );
}

/** The files to send, and a sentence about the others. */
function sort(files, { uploadBytes }) {
  const pictures = [];
  const left = { others: 0, tooLarge: 0, empty: 0 };
  for (const file of files) {
    if (!isPicture(file)) left.others += 1;
    else if (file.size === 0) left.empty += 1;
    else if (file.size > uploadBytes) left.tooLarge += 1;
    else pictures.push(file);
  }
  const { others, tooLarge, empty } = left;
  const parts = [
    others > 0 && `${plural(others, 'file')} that ${others === 1 ? 'is not a picture' : 'are not pictures'}`,
    tooLarge > 0 && `${plural(tooLarge, 'picture')} over ${bytes(uploadBytes)}`,
    empty > 0 && `${plural(empty, 'empty file')}`,
  ].filter(Boolean);
  return { pictures, leftOut: parts.length > 0 ? `Not sent: ${parts.join(', ')}.` : '' };
}
