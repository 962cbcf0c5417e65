import { el, fact, fill } from './dom.js';
import { milliseconds, percent, readable } from './format.js';

/** Empty bars until the response arrives. */
export function waiting() {
  const bars = Array.from({ length: 5 }, () =>
    el(
      'li',
      {},
      el('div', { class: 'bar waiting' }, el('span', {}, '\u00a0'), el('span', { class: 'track' }, el('i'))),
    ),
  );
  return el(
    'div',
    {},
    el('p', { class: 'eyebrow' }, 'Classifying…'),
    el('ul', { class: 'bars', 'aria-hidden': 'true' }, ...bars),
  );
}

/** The most likely class in large, all classes as bars, and the timing. */
export function resultOf({ model, version, predictions, timing, totalMs }, why) {
  const [first] = predictions;
  const bars = predictions.map(({ label, index, probability }) => {
    const properties = {
      type: 'button',
      'aria-pressed': 'false',
      'data-index': index,
      onclick: () => why.explain(index),
    };
    return el(
      'li',
      {},
      el(
        'button',
        properties,
        el('span', {}, readable(label)),
        el('span', { class: 'percent' }, percent(probability)),
        el('span', { class: 'track', 'aria-hidden': 'true' }, fill(probability)),
      ),
    );
  });
  return [
    el('p', { class: 'eyebrow' }, 'Most likely'),
    el('h2', { class: 'top-label' }, readable(first?.label ?? 'nothing')),
    el('ol', { class: 'bars', 'aria-label': 'Most likely classes' }, ...bars),
    el(
      'dl',
      { class: 'timing' },
      fact('Decoding', milliseconds(timing.decodeMs)),
      fact('Waiting', milliseconds(timing.queueMs)),
      fact('Inference', milliseconds(timing.inferenceMs)),
      fact('Total', milliseconds(totalMs)),
      fact('Model', `${model} ${version}`),
    ),
  ];
}
