import { warmThread } from './inference/engines/start-thread.ts';

// The function that AWS Lambda calls: see lambda-handler.ts. The engine's library loads in its own thread meanwhile.
warmThread();
export const { handler } = await import('./lambda-handler.ts');
