import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/config.ts';

/** The major versions that the service supports. */
const MAJORS = [20, 22, 24, 26] as const;

export interface NodeVersion {
  readonly major: number;
  /** Path of the program; undefined where this version is not installed. */
  readonly program: string | undefined;
  readonly isRunning: boolean;
}

export const NODE_MISSING = '.ci/run installs it into the cache folder (NODE_VERSIONS_DIR)';

/** First the Node.js that runs this test, then one of each major version that .ci/run installs. */
export function findNodeVersions(environment: NodeJS.ProcessEnv = process.env): NodeVersion[] {
  const folder = environment.NODE_VERSIONS_DIR ?? join(loadConfig().cacheDir, 'tools', 'nodes');
  const running = Number(process.versions.node.split('.', 1)[0]);
  const others = MAJORS.filter((major) => major !== running).map((major) => {
    const program = join(folder, String(major), 'node');
    return { major, program: existsSync(program) ? program : undefined, isRunning: false };
  });
  return [{ major: running, program: process.execPath, isRunning: true }, ...others];
}
