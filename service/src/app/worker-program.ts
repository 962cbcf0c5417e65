import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const bundled = fileURLToPath(new URL('./worker.js', import.meta.url));
const compiled = fileURLToPath(new URL('../entrypoints/worker.js', import.meta.url));

/** The worker's program, which local jobs run: a bundle has it in this directory, compiled sources in entrypoints/. */
export const WORKER_PROGRAM = existsSync(bundled) ? bundled : compiled;
