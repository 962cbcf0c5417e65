import { call, Problem } from './api.js';
import { curlOfPicture, showCurl } from './curl.js';
import { byId } from './dom.js';
import { readable } from './format.js';
import { pictureRequest } from './large.js';
import { wordsOf } from './notice.js';

const pathOf = ({ index, model }) =>
  `explain?index=${index}&format=png${model === undefined ? '' : `&model=${encodeURIComponent(model)}`}`;

/** The heat map over the picture: the regions that support a class. */
export function createWhy({ curl, limits }) {
  const isOn = byId('why-on');
  const opacity = byId('why-opacity');
  const heat = byId('heat');
  const note = byId('why-note');
  /** Object URLs of the picture's heat maps, by class. */
  const maps = new Map();
  let asked;
  let running = new AbortController();

  isOn.addEventListener('change', () => void update());
  opacity.addEventListener('input', setOpacity);

  function setOpacity() {
    heat.style.opacity = String(opacity.value / 100);
  }

  /** Lets the user ask for the heat maps of these predictions. */
  function offer(file, { predictions }, model) {
    if (predictions.length === 0) return;
    asked = { file, model, predictions, index: predictions[0].index };
    byId('why').hidden = false;
  }

  function explain(index) {
    if (!asked) return;
    const isAgain = isOn.checked && asked.index === index;
    asked.index = index;
    isOn.checked = !isAgain;
    void update();
  }

  async function update() {
    running.abort();
    running = new AbortController();
    const { signal } = running;
    const { file, index, predictions } = asked;
    const path = pathOf(asked);
    byId('why-controls').hidden = !isOn.checked;
    note.textContent = '';
    heat.hidden = true;
    for (const button of document.querySelectorAll('#answer .bars button')) {
      button.setAttribute('aria-pressed', String(isOn.checked && button.dataset.index === String(index)));
    }
    if (!isOn.checked) return;
    const label = readable(predictions.find((prediction) => prediction.index === index)?.label ?? '');
    try {
      if (!maps.has(index)) {
        note.textContent = 'Calculating the heat map…';
        const request = await pictureRequest(file, limits, signal);
        const headers = { ...request.headers, accept: 'image/png, application/problem+json' };
        const response = await call(path, { ...request, headers });
        const blob = await response.blob();
        if (signal.aborted) return;
        maps.set(index, URL.createObjectURL(blob));
      }
      heat.src = maps.get(index);
      await heat.decode();
      if (signal.aborted) return;
      heat.alt = `Heat map: regions that support ${label}`;
      setOpacity();
      heat.hidden = false;
      note.textContent = `Bright regions support “${label}”. Choose another class to see its regions.`;
      if (file.size <= limits.imageBytes) showCurl(curl, [curlOfPicture(file, path, 'why.png')]);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      isOn.checked = false;
      byId('why-controls').hidden = true;
      const { title, text } = wordsOf(error);
      note.textContent = `No heat map: ${title[0].toLowerCase()}${title.slice(1)}. ${text}`;
    }
  }

  function reset() {
    running.abort();
    asked = undefined;
    isOn.checked = false;
    byId('why').hidden = true;
    byId('why-controls').hidden = true;
    note.textContent = '';
    heat.hidden = true;
    heat.removeAttribute('src');
    for (const url of maps.values()) URL.revokeObjectURL(url);
    maps.clear();
  }

  return { offer, explain, reset };
}
