import { call, lostConnection, Problem } from './api.js';
import { isPictureType } from './pictures.js';

/** Keys of the uploaded files, so that a retry, another model and a heat map use one upload. */
const keys = new WeakMap();

/** What a request with a picture holds: the picture, or the key of its upload if it is over the limit of a request. */
export async function pictureRequest(file, { imageBytes }, signal) {
  if (file.size > imageBytes) {
    const body = JSON.stringify({ object: await upload(file, signal) });
    return { method: 'POST', body, headers: { 'content-type': 'application/json' }, signal };
  }
  const type = file.type.startsWith('image/') ? file.type : 'application/octet-stream';
  return { method: 'POST', body: file, headers: { 'content-type': type }, signal };
}

/**
 * Puts a file into the store, by a URL that can belong to another host: without the API key.
 *
 * @returns {Promise<string>} its key
 * @throws {Problem}, or the AbortError of `signal`
 */
export async function upload(file, signal) {
  const known = keys.get(file);
  if (known !== undefined) return known;
  const body = JSON.stringify({ size: file.size, ...(isPictureType(file.type) ? { type: file.type } : {}) });
  const headers = { 'content-type': 'application/json' };
  const granted = await (await call('uploads', { method: 'POST', body, headers, signal })).json();
  // A path of the service is relative, so that the page works behind any prefix.
  const url = granted.url.replace(/^\//, '');
  let response;
  try {
    response = await fetch(url, { method: 'PUT', body: file, headers: granted.headers, signal });
  } catch (error) {
    if (signal.aborted) throw error;
    throw await lostConnection();
  }
  if (!response.ok) throw new Problem({ code: 'BROKEN_OFF', status: response.status });
  keys.set(file, granted.key);
  return granted.key;
}
