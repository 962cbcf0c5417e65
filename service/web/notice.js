import { el, icon } from './dom.js';

/** Per code: a title and what to do. `detail` is the sentence of the service. */
const WORDS = {
  GONE: [
    'The service does not answer',
    () => 'Check that it is running and that you are online, then try again.',
  ],
  BROKEN_OFF: [
    'The connection broke off',
    () =>
      'The service is running, but the upload failed. Try again. If it fails again, choose the file again.',
  ],
  UNAUTHORIZED: [
    'An API key is needed',
    () => 'Try again and enter a key. The operator of this service has one.',
  ],
  IMAGE_TOO_LARGE: [
    'The picture is too large',
    (detail) => `Save a smaller copy and choose that. ${sentence(detail)}`,
  ],
  PAYLOAD_TOO_LARGE: ['That is too much at once', () => 'Send fewer pictures at a time.'],
  UNREADABLE_IMAGE: [
    'This file cannot be read as a picture',
    (detail) =>
      `It may be damaged or of another type. Save it as JPEG or PNG and choose that. ${sentence(detail)}`,
  ],
  UNSUPPORTED_MEDIA_TYPE: [
    'This type of file is not supported',
    () => 'Save the picture as JPEG, PNG or WebP and choose that.',
  ],
  OVERLOADED: ['The service is busy', () => 'Its queue is full. Try again in a moment.'],
  RATE_LIMITED: ['Too many requests', () => 'Wait a moment, then try again.'],
  MODEL_NOT_READY: [
    'The model is still loading',
    () => 'This takes a few seconds after a start. Try again in a moment.',
  ],
  MODEL_NOT_FOUND: ['This model is not loaded', () => 'Reload the page and choose another model.'],
  ENGINE_FAILED: ['The engine failed and is being replaced', () => 'Try again in a few seconds.'],
  STORE_UNAVAILABLE: [
    'The object store does not answer',
    () => 'It holds the jobs and results. Try again later.',
  ],
  QUEUE_UNAVAILABLE: ['The job queue does not answer', () => 'Try again later.'],
  JOB_NOT_FOUND: [
    'This job does not exist',
    () => 'It may have been removed. Open Batch for the list of jobs.',
  ],
  INVALID_REQUEST: [
    'The request was refused',
    (detail) => sentence(detail) || 'Reload the page and try again.',
  ],
  INTERNAL: [
    'The service failed',
    () => 'Try again. If it fails again, look up this request id in the log of the service.',
  ],
};

/** Codes of conditions that pass. For any other code, the same request fails again. */
const PASSING = new Set([
  ...['GONE', 'BROKEN_OFF', 'UNAUTHORIZED', 'OVERLOADED', 'RATE_LIMITED', 'MODEL_NOT_READY', 'ENGINE_FAILED'],
  ...['STORE_UNAVAILABLE', 'QUEUE_UNAVAILABLE', 'REQUEST_TIMEOUT', 'INTERNAL'],
]);

/** Capitalises a message of the service and ends it with a full stop. */
function sentence(detail) {
  if (!detail) return '';
  const text = detail[0].toUpperCase() + detail.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** @returns {{ title: string, text: string }} */
export function wordsOf(problem) {
  const [title, text] = WORDS[problem.code] ?? ['The request failed', sentence];
  return { title, text: text(problem.message).trim() };
}

/** A box that says what happened and what to do, with buttons for it. */
export function notice({ title, text, requestId, kind = 'bad', actions = [], more = [] }) {
  return el(
    'div',
    { class: kind === 'wait' ? 'notice wait' : 'notice' },
    icon(kind === 'wait' ? 'clock' : 'alert'),
    el('h2', {}, title),
    el('p', {}, text),
    ...more,
    requestId && el('p', { class: 'request-id' }, `Request ${requestId}`),
    actions.length > 0 &&
      el(
        'p',
        { class: 'actions' },
        ...actions.map(([label, onclick]) => el('button', { type: 'button', onclick }, label)),
      ),
  );
}

/**
 * The box of a failed request. Internal errors carry the id that is in the log.
 *
 * @param {[string, () => void]} [retry] label and function of a button that is shown only if a retry can help
 */
export function problemNotice(problem, retry, actions = []) {
  const canRetry = retry !== undefined && PASSING.has(problem.code);
  return notice({
    ...wordsOf(problem),
    actions: canRetry ? [retry, ...actions] : actions,
    ...(problem.status === 500 ? { requestId: problem.requestId } : {}),
  });
}
