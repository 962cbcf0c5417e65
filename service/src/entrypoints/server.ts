import { warmThread } from '../inference/engines/thread/start.ts';

// Listens on HOST and PORT: see serve.ts. The engine's library loads in its own thread meanwhile.
// Not for --help.
if (process.argv[2] === undefined || process.argv[2] === 'serve') warmThread();
await import('./server-main.ts');
