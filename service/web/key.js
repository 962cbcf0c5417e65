import { byId } from './dom.js';

const NAME = 'api-key';
let asking;

/** The key that the user entered in this tab, or null. */
export const apiKey = () => sessionStorage.getItem(NAME);

/**
 * Asks for a key. Requests that fail at the same time share one dialog.
 *
 * @param {boolean} wasRefused whether the request had a key
 * @returns {Promise<boolean>} false if the user cancels
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
    ? 'Check that you copied all of it, or ask the operator of this service for a new key.'
    : 'This service requires an API key. Ask its operator for one.';
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
      if (isGiven) document.dispatchEvent(new Event('key-given'));
    };
    dialog.addEventListener('close', onClose, { once: true });
    byId('key-cancel').addEventListener('click', () => dialog.close(), { once: true });
  });
}
