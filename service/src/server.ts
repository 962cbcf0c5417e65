import { warmThread } from './inference/engines/start-thread.ts';

// Listens on HOST and PORT: see serve.ts. The engine's library loads in its own thread meanwhile.
warmThread();
await import('./serve.ts');
