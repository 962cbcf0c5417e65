// The image's HEALTHCHECK: healthy once the server reports that it is ready. Other modes have no port and are healthy while
// they run. The arguments of process 1 (tini) tell the mode.
import { readFileSync } from 'node:fs';

const WITHOUT_SERVER = new Set(['worker', 'dispatcher', 'lambda', 'classify']);
const TIMEOUT_MS = 4_000;

const [program = '/proc/1/cmdline'] = process.argv.slice(2);
const words = readFileSync(program, 'utf8').split('\0');
const mode = words[words.findIndex((word) => word.endsWith('/entrypoint')) + 1];

if (!WITHOUT_SERVER.has(mode)) {
  const url = `http://127.0.0.1:${process.env.PORT || 8080}/health/ready`;
  try {
    const { status } = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (status !== 200) throw new Error(`${url} answers ${status}`);
  } catch (error) {
    process.stderr.write(`${error.cause?.message ?? error.message}\n`);
    process.exitCode = 1;
  }
}
