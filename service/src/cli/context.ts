import { type Command, InvalidArgumentError } from 'commander';
import type { CliConfig } from '../config/cli.ts';
import { createServiceClient, type ServiceClient } from './client/service-client.ts';
import { EXIT_STATUS_HELP, type ExitStatus, usageError } from './failure.ts';
import type { Terminal } from './ui/terminal.ts';

/** Passed to every command. */
export interface Context {
  readonly config: CliConfig;
  readonly terminal: Terminal;
  /** Aborted by Ctrl-C and SIGTERM; the reason is the CommandError to end with. */
  readonly signal: AbortSignal;
  /** Base of relative paths. */
  readonly cwd: string;
  /** A command line for the user to type, e.g. `npm run -s batch -- watch`. */
  invocation(...words: readonly string[]): string;
  /** Sets the exit status of a command that throws nothing. */
  exit(status: ExitStatus): void;
}

/** Options of every command that uses the service. */
export interface ServiceOptions {
  readonly url?: string | undefined;
  readonly apiKey?: string | undefined;
}

/** Adds --url and --api-key. */
export function withService(command: Command): Command {
  return command
    .option(
      '--url <address>',
      'the service; default: $ML_SERVERLESS_URL, else http://localhost:$PORT (8080)',
      parseUrl,
    )
    .option(
      '--api-key <key>',
      'its API key; $ML_SERVERLESS_API_KEY hides it from other users of this machine',
    );
}

/** Default width of a terminal. */
const COLUMNS = 80;

/**
 * Adds examples and exit statuses to the help. Each example is [command line, description]; a description that does not fit
 * on the same line is on the next one, in the same column.
 */
export function withExamples(command: Command, examples: readonly (readonly [string, string])[]): Command {
  const room = COLUMNS - 5 - Math.max(...examples.map(([, what]) => what.length));
  const width = Math.max(0, ...examples.map(([line]) => line.length).filter((length) => length <= room));
  const lines = examples.map(([line, what]) => {
    const beside = line.length <= width ? line.padEnd(width) : `${line}\n  ${' '.repeat(width)}`;
    return `  ${beside}   ${what}`;
  });
  return command.addHelpText('after', ['', 'Examples:', ...lines, '', EXIT_STATUS_HELP].join('\n'));
}

/** A client of the service that the options name. @param alternative a way without the service, for the error message */
export function clientOf(
  { config, signal, terminal }: Context,
  options: ServiceOptions,
  alternative?: string,
): ServiceClient {
  const url = options.url ?? config.ML_SERVERLESS_URL ?? `http://localhost:${config.PORT || 8080}`;
  const apiKey = options.apiKey ?? config.ML_SERVERLESS_API_KEY;
  const isLocal = /^https?:\/\/(localhost|127\.\d+\.\d+\.\d+|\[::1\])([:/]|$)/.test(url);
  if (apiKey !== undefined && url.startsWith('http:') && !isLocal) {
    terminal.err(
      `${terminal.errColours.yellow('warning:')} the API key is sent to ${url} unencrypted; use https\n`,
    );
  }
  const hints = [isLocal ? 'start it with: npm start' : 'check --url and the network', alternative];
  return createServiceClient({ url, apiKey, signal, hint: hints.filter(Boolean).join(', ') });
}

/** True if the user named a service; otherwise commands that can do without one do so. */
export const isServiceNamed = ({ config }: Context, { url }: ServiceOptions): boolean =>
  (url ?? config.ML_SERVERLESS_URL) !== undefined;

/** Checks an address like ML_SERVERLESS_URL. */
function parseUrl(text: string): string {
  if (!URL.canParse(text)) throw new InvalidArgumentError('expected an address like http://localhost:8080');
  const { protocol, username, search, hash } = new URL(text);
  if (!/^https?:$/.test(protocol)) throw new InvalidArgumentError('must start with http:// or https://');
  if (username || search || hash) throw new InvalidArgumentError('must have no user, query or fragment');
  return text;
}

/** A commander parser for whole numbers within bounds. */
export const wholeNumber = (minimum: number, maximum: number) => (text: string) => {
  const value = /^\d[\d_,]*$/.test(text) ? Number(text.replaceAll(/[_,]/g, '')) : Number.NaN;
  if (Number.isInteger(value) && value >= minimum && value <= maximum) return value;
  throw new InvalidArgumentError(
    `must be a whole number from ${minimum.toLocaleString('en-US')} to ${maximum.toLocaleString('en-US')}`,
  );
};

const JOB_ID = /^[A-Za-z0-9_-]{1,128}$/;

/** Checks job ids and removes duplicates. */
export function jobIdsOf(texts: readonly string[]): string[] {
  for (const text of texts) {
    if (!JOB_ID.test(text))
      throw usageError(`${JSON.stringify(text)} is not a job id; batch list prints them`);
  }
  return [...new Set(texts)];
}

/** A line of --json output. */
export const jsonLine = (value: unknown): string => `${JSON.stringify(value)}\n`;

export const JSON_OPTION = ['--json', 'print JSON Lines, for programs'] as const;
