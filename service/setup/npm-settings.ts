import { readFile } from 'node:fs/promises';
import { runCommand } from './run-command.ts';

/** npm's network settings, for other clients. */
export interface NpmSettings {
  readonly registry: string;
  readonly strictSSL: boolean;
  readonly proxy?: string;
  readonly httpsProxy?: string;
  readonly ca?: string | string[];
  readonly nodedir?: string;
}

/**
 * Asks npm for its settings, from all of its files and variables. npm does not print passwords and tokens.
 *
 * @param cwd directory whose .npmrc applies
 */
export async function readNpmSettings(cwd: string, env: NodeJS.ProcessEnv): Promise<NpmSettings> {
  const npm = env.npm_execpath;
  const [program, first] =
    npm !== undefined && /npm-cli\.[cm]?js$/.test(npm) ? [process.execPath, [npm]] : ['npm', []];
  const args = [...first, 'config', 'list', '--json', '--loglevel=silent'];
  const output = await runCommand(program, args, { cwd, env, timeoutMs: 60_000 });
  const config = JSON.parse(output.slice(output.indexOf('{'))) as Record<string, unknown>;
  const text = (name: string) => {
    const value = config[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const cafile = text('cafile');
  const ca = cafile === undefined ? (config.ca as string | string[] | null) : await readFile(cafile, 'utf8');
  const proxy = text('proxy');
  const httpsProxy = text('https-proxy');
  const nodedir = text('nodedir') ?? env.npm_config_nodedir;
  return {
    registry: text('registry') ?? 'https://registry.npmjs.org/',
    strictSSL: config['strict-ssl'] !== false,
    ...(proxy ? { proxy } : {}),
    ...(httpsProxy ? { httpsProxy } : {}),
    ...(ca ? { ca } : {}),
    ...(nodedir ? { nodedir } : {}),
  };
}
