import { warmThread } from '../inference/engines/thread/start.ts';

// The entry point of the server. The engine's library loads in its own thread meanwhile, except for --help.
if (process.argv[2] === undefined || process.argv[2] === 'serve') warmThread();
await import('./server-main.ts');
