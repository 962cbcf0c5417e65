import { warmThread } from './inference/engines/start-thread.ts';

// Works one shard of one job and exits: see work-shard.ts. The engine's library loads in its own thread meanwhile.
warmThread();
await import('./work-shard.ts');
