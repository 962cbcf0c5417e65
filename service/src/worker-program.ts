import { fileURLToPath } from 'node:url';

/** The worker's program, which local jobs run: it lies beside this file, compiled as well as bundled. */
export const WORKER_PROGRAM = fileURLToPath(new URL('./worker.js', import.meta.url));
