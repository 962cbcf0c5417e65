import { warmThread } from '../inference/engines/thread/start.ts';

// The function that AWS Lambda calls: see lambda-handler.ts. The engine's library loads in its own thread meanwhile.
warmThread();
export const { handler } = await import('./lambda-main.ts');
