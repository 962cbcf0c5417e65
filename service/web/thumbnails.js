import { call, Problem } from './api.js';
import { el, icon } from './dom.js';
import { isTable } from './rows.js';

/** The service makes thumbnails of the first inputs of a job only. */
const MAX_INPUTS = 1000;
/** Requests at a time: browsers open six connections to a host. */
const CONCURRENCY = 4;

/**
 * Thumbnails that load when they come into view. They are fetched, because an `img` cannot send an API key.
 *
 * @param {AbortSignal} signal frees everything
 */
export function createThumbnails(signal) {
  /** Elements by row, so that a row keeps its picture when the table is sorted. */
  const elements = new Map();
  const inView = new Set();
  const urls = [];
  let running = 0;

  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) inView.add(target);
        else inView.delete(target);
      }
      next();
    },
    { rootMargin: '200px' },
  );
  signal.addEventListener('abort', () => {
    observer.disconnect();
    for (const url of urls) URL.revokeObjectURL(url);
  });

  function next() {
    for (const place of inView) {
      if (running >= CONCURRENCY || signal.aborted) return;
      inView.delete(place);
      running += 1;
      void load(place).finally(() => {
        running -= 1;
        next();
      });
    }
  }

  async function load(place) {
    try {
      const { jobId, key } = place.row;
      const response = await call(`batch/${jobId}/thumbnail?key=${encodeURIComponent(key)}`, { signal });
      const url = URL.createObjectURL(await response.blob());
      urls.push(url);
      place.replaceChildren(el('img', { src: url, alt: '' }));
      observer.unobserve(place);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      // Without a thumbnail, the symbol stays. An element that is observed again is reported if it is still in view.
      observer.unobserve(place);
      if (error.retryAfterSeconds) setTimeout(() => observer.observe(place), error.retryAfterSeconds * 1000);
    }
  }

  /** The element for a row. Rows that have no picture get a symbol. */
  return (row) => {
    const known = elements.get(row);
    if (known) return known;
    const place = el(
      'span',
      { class: 'thumb' },
      icon(row.error ? 'alert' : isTable(row) ? 'table' : 'picture'),
    );
    elements.set(row, place);
    if (!row.error && !isTable(row) && row.index < MAX_INPUTS) {
      place.row = row;
      observer.observe(place);
    }
    return place;
  };
}
