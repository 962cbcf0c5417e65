import { getJson, Problem } from './api.js';
import { el } from './dom.js';

const TOP_K = [1, 3, 5, 10, 20, 50, 100];

/**
 * The model and the number of classes that requests ask for. Each place shows the same two lists.
 *
 * @param {HTMLElement[]} places
 * @param {() => void} onChange called when the user chooses something else
 */
export function createChoice(places, onChange) {
  let chosen = { topK: 5 };
  const lists = places.map((place) => {
    const model = el('select', { onchange: ({ target }) => choose({ model: target.value }) });
    const topK = el(
      'select',
      { onchange: ({ target }) => choose({ topK: Number(target.value) }) },
      ...TOP_K.map((count) => el('option', { value: count }, String(count))),
    );
    const modelField = el('label', { hidden: true }, el('span', {}, 'Model'), model);
    place.replaceChildren(modelField, el('label', {}, el('span', {}, 'Classes'), topK));
    return { model, modelField, topK };
  });
  showChosen();

  function choose(change) {
    chosen = { ...chosen, ...change };
    showChosen();
    onChange();
  }

  function showChosen() {
    for (const { model, topK } of lists) {
      if (chosen.model !== undefined) model.value = chosen.model;
      topK.value = String(chosen.topK);
    }
  }

  /** Lists the models for images. The first one is the default. */
  async function load() {
    try {
      const { models } = await getJson('models', {}, { asksForKey: false });
      const offered = models.filter(({ task }) => task === 'image-classification');
      if (!offered.some(({ name }) => name === chosen.model)) chosen = { ...chosen, model: offered[0]?.name };
      for (const { model, modelField } of lists) {
        modelField.hidden = offered.length === 0;
        model.replaceChildren(
          ...offered.map(({ name, version }) => el('option', { value: name }, `${name} ${version}`)),
        );
      }
      showChosen();
    } catch (error) {
      // Without the list, the service uses its default model.
      if (!(error instanceof Problem)) throw error;
    }
  }
  document.addEventListener('service-ready', () => void load());
  document.addEventListener('key-given', () => void load());
  void load();

  return {
    /** @returns {{ topK: number, model?: string }} */
    current: () => chosen,
    /** The same as a query string. */
    query: () =>
      new URLSearchParams(Object.entries(chosen).filter(([, value]) => value !== undefined)).toString(),
  };
}
