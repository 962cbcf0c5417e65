import { el, icon } from './dom.js';
import { apiKey } from './key.js';

/** One word for a POSIX shell, whatever is in it. */
const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** The address of a route, as a terminal needs it. */
const address = (path) => new URL(path, document.baseURI).href;

const start = () => (apiKey() === null ? 'curl' : 'curl -H "x-api-key: $API_KEY"');

/** The line that sends one picture. `--data-binary` takes any file name as it is, which `-F` does not. */
export function curlOfPicture(file, path, output) {
  const type = file.type.startsWith('image/') ? file.type : 'application/octet-stream';
  const save = output ? ` -o ${output}` : '';
  const name = file.name.startsWith('-') ? `./${file.name}` : file.name;
  return `${start()} -H ${quote(`content-type: ${type}`)} --data-binary ${quote(`@${name}`)} ${quote(address(path))}${save}`;
}

/** The line that reads a route. */
export const curlOf = (path, options = '') => `${start()}${options} ${quote(address(path))}`;

/** Shows lines in a section, with a button that copies them. */
export function showCurl(section, lines) {
  const text = lines.join('\n');
  const code = el('code', {}, text);
  const label = el('span', {}, 'Copy');
  const said = el('span', { class: 'soft', role: 'status' });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = 'Copied';
    } catch {
      // Without https or permission there is no clipboard: the text is selected, one key away.
      getSelection().selectAllChildren(code);
      said.textContent = 'Selected: press Ctrl+C or ⌘C';
    }
  };
  const button = el('button', { type: 'button', class: 'quiet', onclick: copy }, icon('copy'), label);
  section.replaceChildren(
    el('div', { class: 'row' }, el('h3', {}, 'The same from a terminal'), el('span', {}, said, ' ', button)),
    el('pre', { tabindex: '0' }, code),
  );
  section.hidden = false;
}
