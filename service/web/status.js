import { byId } from './dom.js';

const WORDS = {
  ready: 'Ready',
  slow: 'Ready, on a slow engine',
  loading: 'Model is loading',
  gone: 'Not reachable',
};
/** Milliseconds between looks: often while something is about to change. */
const OFTEN = 3000;
const SELDOM = 30_000;

/** Shows whether the service is ready, in words at the top of every tab. */
export function watchStatus() {
  const status = byId('status');
  let timer;
  async function look() {
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
      // That it cannot be reached is what is shown.
    }
    if (status.dataset.state !== state) {
      status.dataset.state = state;
      status.textContent = WORDS[state];
      status.title = reason;
    }
    timer = setTimeout(() => void whenSeen(look), state === 'ready' || state === 'slow' ? SELDOM : OFTEN);
  }
  // A request has just found out what the next look would.
  document.addEventListener('service-gone', () => void look());
  void look();
}

/** Nobody is served by looking while the page is in the background. */
function whenSeen(work) {
  if (!document.hidden) return work();
  return document.addEventListener('visibilitychange', work, { once: true });
}
