import { Problem } from './api.js';
import { byId, el, fill } from './dom.js';
import { bytes, number, plural } from './format.js';
import { watchJobs } from './job.js';
import { listJobs } from './job-list.js';
import { notice, problemNotice, wordsOf } from './notice.js';
import { reviewOf } from './review.js';
import { partition, uploadPart } from './upload.js';

/** The batch tab: many pictures in, a job out. */
export function createBatch({ limits, batch: isOffered }, { choice, showJobs }) {
  const message = byId('batch-message');
  const view = byId('job-view');
  let watching = new AbortController();
  let uploading;

  byId('choose-folder').addEventListener('click', () => byId('file-folder').click());
  byId('choose-many').addEventListener('click', () => byId('file-many').click());
  byId('refresh-jobs').addEventListener('click', () => void listJobs(showJobs));
  for (const id of ['file-folder', 'file-many']) {
    byId(id).addEventListener('change', ({ target }) => {
      const files = [...target.files];
      target.value = '';
      stage(files, files[0]?.webkitRelativePath.split('/')[0] ?? '');
    });
  }
  if (!isOffered) {
    byId('batch-start').replaceChildren(
      notice({
        title: 'Batch jobs are not available',
        text: 'This service has no object store. Set STORE and restart it.',
      }),
    );
  }

  /** A card replaces the drop area; a notice is shown below it. */
  function say(...children) {
    message.replaceChildren(...children);
    byId('drop-many').hidden = message.querySelector('.card') !== null;
  }

  /** Shows the review of the files. Nothing is sent yet. */
  function stage(files, name) {
    if (!isOffered || uploading) return;
    leave();
    byId('batch-start').hidden = false;
    view.hidden = true;
    const review = reviewOf(files, name, limits, {
      onSend: (pictures) => void send(pictures),
      onDrop: () => {
        say();
        byId('choose-folder').focus();
      },
    });
    say(review);
    message.scrollIntoView({ block: 'nearest' });
    review.querySelector('button.primary')?.focus();
  }

  /** Sends the parts in order, then shows their jobs. After a failure, the user can continue with the failed part. */
  async function send(pictures, parts = partition(pictures, limits), made = [], wanted = choice.current()) {
    uploading = new AbortController();
    const total = parts.reduce((sum, part) => sum + part.bytes, 0);
    const bar = el('div', {
      class: 'progress',
      role: 'progressbar',
      'aria-label': 'Sent',
      'aria-valuemin': '0',
      'aria-valuemax': '100',
    });
    const text = el('p', { class: 'soft' });
    // Screen readers announce it once, unlike the figures above.
    const trouble = el('p', { class: 'hint', role: 'status' });
    const stop = el('button', { type: 'button', class: 'danger', onclick: () => uploading.abort() }, 'Stop');
    say(
      el(
        'div',
        { class: 'card' },
        el('h2', {}, `Sending ${plural(pictures.length, 'picture')}`),
        bar,
        text,
        trouble,
        el('p', { class: 'actions more' }, stop),
      ),
    );
    let before = 0;
    const tell = (sent) => {
      const now = Math.min(total, before + sent);
      bar.replaceChildren(fill(total > 0 ? now / total : 1));
      bar.setAttribute('aria-valuenow', String(Math.round((now / total) * 100)));
      text.textContent = `${bytes(now)} of ${bytes(total)}`;
      trouble.textContent = '';
    };
    const onWait = (problem, seconds) => {
      trouble.textContent = `${wordsOf(problem).title}. Trying again in ${plural(seconds, 'second')}.`;
    };
    tell(0);
    const rest = [...parts];
    try {
      for (const part of parts) {
        made.push((await uploadPart(part, wanted, { onProgress: tell, onWait }, uploading.signal)).jobId);
        rest.shift();
        before += part.bytes;
      }
      say();
      showJobs(made);
    } catch (error) {
      const wasStopped = uploading.signal.aborted;
      if (!wasStopped && !(error instanceof Problem)) throw error;
      const again = ['Continue', () => void send(pictures, rest, made, wanted)];
      const see = made.length > 0 ? [['Show the sent part', () => showJobs(made)]] : [];
      say(
        wasStopped
          ? notice({
              title: 'The upload is stopped',
              text: `${number(made.length)} of ${plural(made.length + rest.length, 'part')} were sent and run as jobs.`,
              kind: 'wait',
              actions: [again, ...see],
            })
          : problemNotice(error, again, see),
      );
    } finally {
      uploading = undefined;
    }
  }

  /** Stops watching; the jobs continue. */
  function leave() {
    watching.abort();
  }

  /** Shows the jobs that the address names, or the start of the tab. */
  async function open(rest) {
    leave();
    const ids = rest.split(',').filter((id) => /^[A-Za-z0-9_-]{1,128}$/.test(id));
    byId('batch-start').hidden = ids.length > 0;
    view.hidden = ids.length === 0;
    if (ids.length === 0) return isOffered && listJobs(showJobs);
    watching = new AbortController();
    const onBack = () => {
      location.hash = '#batch';
    };
    return watchJobs(ids, view, { onBack, signal: watching.signal });
  }

  return { open, leave, stage };
}
