import { byId } from './dom.js';

const WORDS = {
  ready: 'Ready',
  slow: 'Ready, slow engine',
  loading: 'Model is loading',
  gone: 'Not reachable',
};
/** Milliseconds between requests: short while the state is about to change. */
const OFTEN = 3000;
const SELDOM = 30_000;

const isReady = (state) => state === 'ready' || state === 'slow';

/** Shows at the top of every tab whether the service is ready. */
export function watchStatus() {
  const status = byId('status');
  let timer;
  async function refresh() {
    clearTimeout(timer);
    let state = 'gone';
    let reason = '';
    try {
      const response = await fetch('health/ready', {
        cache: 'no-store',
        signal: AbortSignal.timeout(10_000),
      });
      const { degraded = [] } = response.ok ? await response.json() : {};
      reason = degraded.map((each) => `${each.model}: ${each.reason}`).join('\n');
      state = !response.ok ? 'loading' : reason ? 'slow' : 'ready';
    } catch {
      // Unreachable: the state stays 'gone'.
    }
    if (status.dataset.state !== state) {
      status.dataset.state = state;
      status.textContent = WORDS[state];
      status.title = reason;
      if (isReady(state)) document.dispatchEvent(new Event('service-ready'));
    }
    timer = setTimeout(() => void whenVisible(refresh), isReady(state) ? SELDOM : OFTEN);
  }
  document.addEventListener('service-gone', () => void refresh());
  void refresh();
}

/** Waits while the page is in the background. */
function whenVisible(work) {
  if (!document.hidden) return work();
  return document.addEventListener('visibilitychange', work, { once: true });
}
