import { call, Problem } from './api.js';
import { resultOf, waiting } from './bars.js';
import { curlOfPicture, showCurl } from './curl.js';
import { byId, el } from './dom.js';
import { bytes } from './format.js';
import { pictureRequest } from './large.js';
import { notice, problemNotice } from './notice.js';
import { refusalOf } from './pictures.js';
import { withRetries } from './retry.js';
import { createWhy } from './why.js';

/** The classify tab: one picture in, the most likely classes out. */
export function createClassify({ limits, samples }, choice) {
  const panel = byId('panel-classify');
  const answer = byId('answer');
  const picture = byId('picture');
  const curl = byId('curl-one');
  const why = createWhy({ curl, limits });
  let running = new AbortController();
  let shownUrl;
  let shownFile;

  byId('size-hint').textContent = `, up to ${bytes(limits.uploadBytes)}`;
  byId('choose-one').addEventListener('click', () => byId('file-one').click());
  byId('photograph').addEventListener('click', () => byId('file-camera').click());
  byId('another').addEventListener('click', () => {
    clear();
    byId('choose-one').focus();
  });
  for (const id of ['file-one', 'file-camera']) {
    byId(id).addEventListener('change', ({ target }) => {
      const [file] = target.files;
      // So that the same file can be chosen again.
      target.value = '';
      if (file) void show(file);
    });
  }
  picture.addEventListener('error', () => {
    byId('no-preview').hidden = false;
    picture.hidden = true;
  });
  showSamples(samples, show);

  function clear() {
    running.abort();
    why.reset();
    picture.removeAttribute('src');
    if (shownUrl) URL.revokeObjectURL(shownUrl);
    shownUrl = undefined;
    shownFile = undefined;
    curl.hidden = true;
    answer.replaceChildren();
    panel.dataset.state = 'empty';
  }

  async function show(file) {
    clear();
    running = new AbortController();
    const { signal } = running;
    panel.dataset.state = 'working';
    const refusal = await refusalOf(file, limits);
    if (signal.aborted) return;
    preview(file, refusal === undefined);
    if (refusal) {
      panel.dataset.state = 'error';
      answer.replaceChildren(notice(refusal));
      return;
    }
    shownFile = file;
    await classify(file, signal);
  }

  /** Classifies the same picture again, for another model or number of classes. */
  function repeat() {
    if (shownFile) void show(shownFile);
  }

  function preview(file, isShown) {
    byId('caption').textContent = `${file.name} · ${bytes(file.size)}`;
    picture.alt = `Your picture ${file.name}`;
    picture.hidden = !isShown;
    byId('no-preview').hidden = isShown;
    byId('no-preview').textContent = 'No preview: the browser cannot show this file.';
    if (!isShown) return;
    shownUrl = URL.createObjectURL(file);
    picture.src = shownUrl;
  }

  async function classify(file, signal) {
    const path = `predict?${choice.query()}`;
    const send = async () => {
      panel.dataset.state = 'working';
      answer.replaceChildren(waiting());
      const startedAt = performance.now();
      const response = await call(path, await pictureRequest(file, limits, signal));
      return { ...(await response.json()), totalMs: performance.now() - startedAt };
    };
    try {
      const result = await withRetries(send, answer, signal);
      panel.dataset.state = 'result';
      answer.replaceChildren(...resultOf(result, why));
      why.offer(file, result, choice.current().model);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      panel.dataset.state = 'error';
      answer.replaceChildren(problemNotice(error, ['Try again', () => void classify(file, signal)]));
      return;
    }
    if (file.size <= limits.imageBytes) showCurl(curl, [curlOfPicture(file, path)]);
  }

  return { show, repeat };
}

function showSamples(samples, show) {
  byId('samples').hidden = samples.length === 0;
  byId('sample-list').replaceChildren(
    ...samples.map((name) => {
      const title = name.replace(/\.jpg$/, '').replaceAll('-', ' ');
      const open = async () => {
        const blob = await (await call(`samples/${name}`)).blob();
        await show(new File([blob], name, { type: 'image/jpeg' }));
      };
      const image = el('img', { src: `samples/${name}`, alt: '', width: 320, height: 240 });
      return el('li', {}, el('button', { type: 'button', onclick: open }, image, el('span', {}, title)));
    }),
  );
}
