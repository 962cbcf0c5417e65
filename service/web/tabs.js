import { byId } from './dom.js';

const NAMES = ['classify', 'batch', 'models'];

/**
 * Tabs by the ARIA pattern: arrow keys, Home and End move and open; only the open tab is in the tab order. The address
 * names the open tab (`#batch`, `#batch/<job>`), so that it can be bookmarked and reloaded.
 *
 * @param {(name: string, rest: string) => void} onOpen `rest` is the part of the address after the tab's name
 */
export function createTabs(onOpen) {
  const tabs = NAMES.map((name) => byId(`tab-${name}`));

  function show() {
    const [given = '', rest = ''] = location.hash.slice(1).split('/', 2);
    const name = NAMES.includes(given) ? given : 'classify';
    for (const [at, tab] of tabs.entries()) {
      const isOpen = NAMES[at] === name;
      tab.setAttribute('aria-selected', String(isOpen));
      tab.tabIndex = isOpen ? 0 : -1;
      byId(`panel-${NAMES[at]}`).hidden = !isOpen;
    }
    onOpen(name, rest);
  }

  for (const [at, tab] of tabs.entries()) {
    tab.addEventListener('click', () => open(NAMES[at]));
    tab.addEventListener('keydown', (event) => {
      const target = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
      if (target === undefined) return;
      event.preventDefault();
      const next = (target + tabs.length) % tabs.length;
      open(NAMES[next]);
      tabs[next].focus();
    });
  }
  window.addEventListener('hashchange', show);

  /** Opens a tab, or a part of it. */
  function open(name, rest = '') {
    const hash = rest ? `#${name}/${rest}` : `#${name}`;
    if (location.hash === hash) show();
    else location.hash = hash;
  }

  return { show, open, current: () => NAMES.find((name) => !byId(`panel-${name}`).hidden) };
}
