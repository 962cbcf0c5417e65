import { warmThread } from '../inference/engines/thread/start.ts';

// The entry point of the Lambda function. The engine's library loads in its own thread meanwhile.
warmThread();
export const { handler } = await import('./lambda-main.ts');
