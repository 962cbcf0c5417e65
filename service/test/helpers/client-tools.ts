import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { cacheFolder } from '../../../models/cache-folder.mjs';

const tools = join(cacheFolder(process.env), 'tools');
const client = join(tools, 'client');
const jar = join(tools, 'openapi-generator', 'openapi-generator-cli-7.25.0.jar');
const wheels = join(tools, 'python-client');

/** Why the TypeScript client cannot be generated here without an installation, or false. */
export const clientToolsMissing = existsSync(join(client, 'done'))
  ? false
  : 'needs the client generator, which npm run client installs';

/** Why the Python client cannot be generated and run here, or false. */
export const pythonToolsMissing = missingForPython();

function missingForPython(): string | false {
  if (!existsSync(jar)) return `needs ${jar}, which .ci/run installs`;
  if (spawnSync('java', ['-version']).status !== 0) return 'needs java';
  if (!existsSync(join(wheels, 'done'))) return `needs the wheels in ${wheels}, which .ci/run downloads`;
  return false;
}

export const CLIENT_TOOLS = { jar, wheels } as const;

/** An installed package of the generators. */
export const requireClientTool = createRequire(join(client, 'package.json'));
