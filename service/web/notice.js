import { el, icon } from './dom.js';

/** What each code means to somebody in front of the page, and what to do. `detail` is the service's own sentence. */
const WORDS = {
  GONE: [
    'The service does not answer',
    () => 'Check that it is running and that you are online, then try again.',
  ],
  BROKEN_OFF: [
    'The connection broke off',
    () =>
      'The service is there, but the upload did not get through. Try again; if it happens again, choose the file anew.',
  ],
  UNAUTHORIZED: [
    'An API key is needed',
    () => 'Try again and enter a key; whoever runs this service has one.',
  ],
  IMAGE_TOO_LARGE: [
    'The picture is too large',
    (detail) => `Save a smaller copy and choose that. ${said(detail)}`,
  ],
  PAYLOAD_TOO_LARGE: ['That is too much at once', () => 'Send fewer pictures at a time.'],
  UNREADABLE_IMAGE: [
    'This file cannot be read as a picture',
    (detail) =>
      `It may be damaged or of another type. Open it, save it as JPEG or PNG, and try that. ${said(detail)}`,
  ],
  UNSUPPORTED_MEDIA_TYPE: [
    'This type of file is not taken',
    () => 'Save the picture as JPEG, PNG or WebP and choose that.',
  ],
  OVERLOADED: [
    'The service is busy',
    () => 'More pictures are waiting than it takes at once. Try again in a moment.',
  ],
  RATE_LIMITED: ['Too many requests', () => 'Wait a moment, then try again.'],
  MODEL_NOT_READY: [
    'The model is still loading',
    () => 'That takes a few seconds after a start. Try again in a moment.',
  ],
  ENGINE_FAILED: ['The engine failed and is being replaced', () => 'Try again in a few seconds.'],
  STORE_UNAVAILABLE: [
    'The object store does not answer',
    () => 'Jobs and results live there. Try again later.',
  ],
  QUEUE_UNAVAILABLE: ['The job queue does not answer', () => 'Try again later.'],
  JOB_NOT_FOUND: [
    'There is no such job',
    () => 'It may have been removed. Earlier jobs are listed under Batch.',
  ],
  INVALID_REQUEST: ['That did not work', (detail) => said(detail) || 'Reload the page and try again.'],
  INTERNAL: [
    'Something went wrong in the service',
    () => 'Try again. If it stays, its log has the details under this id.',
  ],
};

/** The service's sentence as one: with a capital and a full stop. */
function said(detail) {
  if (!detail) return '';
  const sentence = detail[0].toUpperCase() + detail.slice(1);
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}

/** @returns {{ title: string, text: string }} */
export function wordsOf(problem) {
  const [title, text] = WORDS[problem.code] ?? ['That did not work', said];
  return { title, text: text(problem.message).trim() || 'Try again.' };
}

/** A box that says what happened and what to do, with the buttons to do it. */
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

/** The box of a failed request; our own faults carry the id that the log has. */
export function problemNotice(problem, actions) {
  const isInternal = problem.status === 500;
  return notice({ ...wordsOf(problem), actions, ...(isInternal ? { requestId: problem.requestId } : {}) });
}
