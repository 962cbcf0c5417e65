import { byId } from './dom.js';

const NAME = 'api-key';
let asking;

/** The key the user gave in this tab, or null. */
export const apiKey = () => sessionStorage.getItem(NAME);

/**
 * Asks for a key; several requests that fail at once ask once.
 *
 * @param {boolean} wasRefused whether a key was sent and not accepted
 * @returns {Promise<boolean>} false when the user does not give one
 */
export function askForKey(wasRefused) {
  asking ??= ask(wasRefused).finally(() => {
    asking = undefined;
  });
  return asking;
}

function ask(wasRefused) {
  const dialog = byId('key-dialog');
  const input = byId('key');
  byId('key-title').textContent = wasRefused ? 'That key was not accepted' : 'An API key is needed';
  byId('key-text').textContent = wasRefused
    ? 'Check that it was copied whole, or ask whoever runs this service for a new one.'
    : 'This service answers only with a key. Ask whoever runs it for one.';
  input.value = '';
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    const onClose = () => {
      const key = input.value.trim();
      input.value = '';
      const isGiven = dialog.returnValue === 'ok' && key !== '';
      if (isGiven) sessionStorage.setItem(NAME, key);
      resolve(isGiven);
    };
    dialog.addEventListener('close', onClose, { once: true });
    byId('key-cancel').addEventListener('click', () => dialog.close(), { once: true });
  });
}
