import { getJson, Problem } from './api.js';
import { createBatch } from './batch.js';
import { createChoice } from './choice.js';
import { createClassify } from './classify.js';
import { byId } from './dom.js';
import { filesOfDrop } from './files.js';
import { createModels } from './models.js';
import { problemNotice } from './notice.js';
import { watchStatus } from './status.js';
import { createTabs } from './tabs.js';

async function start() {
  watchStatus();
  let settings;
  try {
    settings = await getJson('web/settings.json');
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    byId('panel-classify').replaceChildren(problemNotice(error, ['Reload', () => location.reload()]));
    return;
  }
  const choice = createChoice([byId('choice-classify'), byId('choice-batch')], () => classify.repeat());
  const classify = createClassify(settings, choice);
  const tabs = createTabs((name, rest) => {
    if (name === 'batch') void batch.open(rest);
    else batch.leave();
    if (name === 'models') void models.open();
  });
  const batch = createBatch(settings, { choice, showJobs: (ids) => tabs.open('batch', ids.join(',')) });
  const models = createModels();

  /** One picture goes to the open tab. Several pictures or a folder become a batch. */
  function take({ files, name, hasFolder }) {
    if (files.length === 0 && !hasFolder) return;
    if (tabs.current() !== 'batch' && files.length === 1 && !hasFolder) {
      tabs.open('classify');
      void classify.show(files[0]);
      return;
    }
    tabs.open('batch');
    batch.stage(files, name);
  }
  takeDrops(take);
  document.addEventListener('paste', ({ clipboardData }) => {
    take({ files: [...(clipboardData?.files ?? [])], name: '', hasFolder: false });
  });
  tabs.show();
}

function takeDrops(take) {
  const carriesFiles = ({ dataTransfer }) => [...(dataTransfer?.types ?? [])].includes('Files');
  let depth = 0;
  const mark = (change) => {
    depth = Math.max(0, depth + change);
    document.body.classList.toggle('dragging', depth > 0);
  };
  document.addEventListener('dragenter', (event) => carriesFiles(event) && mark(1));
  document.addEventListener('dragleave', (event) => carriesFiles(event) && mark(-1));
  document.addEventListener('dragover', (event) => carriesFiles(event) && event.preventDefault());
  document.addEventListener('drop', async (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    mark(-depth);
    take(await filesOfDrop(event.dataTransfer));
  });
}

void start();
