import { el, icon } from './dom.js';
import { apiKey } from './key.js';

/** Quotes one word for a POSIX shell. */
const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** The absolute address of a route. */
const address = (path) => new URL(path, document.baseURI).href;

const start = () => (apiKey() === null ? 'curl' : 'curl -H "x-api-key: $API_KEY"');

/** The command that sends one picture. `--data-binary` accepts any file name; `-F` treats some characters specially. */
export function curlOfPicture(file, path, output) {
  const type = file.type.startsWith('image/') ? file.type : 'application/octet-stream';
  const save = output ? ` -o ${output}` : '';
  const name = file.name.startsWith('-') ? `./${file.name}` : file.name;
  return `${start()} -H ${quote(`content-type: ${type}`)} --data-binary ${quote(`@${name}`)} ${quote(address(path))}${save}`;
}

/** The command that reads a route. */
export const curlOf = (path, options = '') => `${start()}${options} ${quote(address(path))}`;

/** Shows commands with a button that copies them. */
export function showCurl(section, lines) {
  const text = lines.join('\n');
  const code = el('code', {}, text);
  const label = el('span', {}, 'Copy');
  const copied = el('span', { class: 'soft', role: 'status' });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      copied.textContent = 'Copied';
    } catch {
      // There is no clipboard without https or permission.
      getSelection().selectAllChildren(code);
      copied.textContent = 'Selected: press Ctrl+C or ⌘C';
    }
  };
  const button = el('button', { type: 'button', class: 'quiet', onclick: copy }, icon('copy'), label);
  section.replaceChildren(
    el(
      'div',
      { class: 'row' },
      el('h3', {}, 'The same from a terminal'),
      el('span', {}, copied, ' ', button),
    ),
    el('pre', { tabindex: '0' }, code),
  );
  section.hidden = false;
}
