import { warmThread } from '../inference/engines/thread/start.ts';

// Works one shard of one job and exits: see worker-main.ts. The engine's library loads in its own thread meanwhile.
// A second attempt follows a failure, perhaps a crash: it watches over a process of its own that does the work.
const { isSupervisor } = await import('../config/worker.ts');
if (isSupervisor()) {
  await import('./worker-supervisor.ts');
} else {
  warmThread();
  await import('./worker-main.ts');
}
