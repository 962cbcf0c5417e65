import assert from 'node:assert/strict';
import { until } from '../../helpers/until.ts';
import type { Engine } from './engine.ts';
import type { Output, RunOptions } from './run.ts';

/** How every mode runs here: with the strictest limits that the image supports. */
const STRICT = [
  '--read-only',
  '--cap-drop',
  'ALL',
  '--security-opt',
  'no-new-privileges',
  '--pids-limit',
  '256',
];
const TMP = ['--tmpfs', '/tmp:size=512m'];

export interface StartOptions {
  /** false leaves the root writable; true by default. */
  readonly strict?: boolean;
  /** false does not wait for the image's health check; true by default. */
  readonly healthy?: boolean;
}

export interface Container {
  readonly name: string;
  readonly url: string;
  inspect(format: string): Promise<string>;
  logs(): Promise<string>;
  exec(words: readonly string[]): Promise<Output>;
}

export type Containers = ReturnType<typeof createContainers>;

/** Containers and volumes of one test run. Their names begin with `prefix`; `removeAll` removes them. */
export function createContainers({ docker }: Engine, image: string, prefix: string) {
  const names = new Set<string>();
  const volumes = new Set<string>();
  let count = 0;

  const nameOf = (what: string) => {
    const name = `${prefix}-${what}-${++count}`;
    names.add(name);
    return name;
  };

  return {
    /** Runs a mode to its end. `tmp: false` leaves /tmp read-only. */
    once(
      what: string,
      options: readonly string[],
      words: readonly string[],
      { tmp = true, ...rest }: RunOptions & { readonly tmp?: boolean } = {},
    ): Promise<Output> {
      const limits = tmp ? [...STRICT, ...TMP] : STRICT;
      return docker(['run', '--rm', '--name', nameOf(what), ...limits, ...options, image, ...words], rest);
    },

    /** Runs a module in the image's own Node.js, and returns what it prints. */
    async script(source: string, options: readonly string[] = []): Promise<string> {
      const node = ['--entrypoint', 'node', image, '--input-type=module', '-'];
      const args = ['run', '--rm', '-i', '--name', nameOf('script'), ...options, ...node];
      return (await docker(args, { input: source })).stdout;
    },

    /** Starts a server on a free port of the loopback, and waits for its health check. */
    async start(
      what: string,
      options: readonly string[],
      words: readonly string[],
      { strict = true, healthy = true }: StartOptions = {},
    ): Promise<Container> {
      const name = nameOf(what);
      const limits = strict ? [...STRICT, ...TMP] : [];
      const publish = ['-p', '127.0.0.1::8080', '--health-interval', '1s'];
      await docker(['run', '-d', '--name', name, ...limits, ...publish, ...options, image, ...words]);
      const [address] = (await docker(['port', name, '8080/tcp'])).stdout.trim().split('\n');
      const inspect = async (format: string) => (await docker(['inspect', '-f', format, name])).stdout.trim();
      const logs = async () => {
        const { stdout, stderr } = await docker(['logs', name]);
        return stdout + stderr;
      };
      if (healthy) {
        const state = await until(`the health check of ${what}`, async () => {
          const found = await inspect('{{.State.Running}} {{.State.Health.Status}}');
          return found !== 'true starting' && found;
        });
        if (state !== 'true healthy') assert.fail(`${what} is "${state}": ${(await logs()).slice(-600)}`);
      }
      const exec = (command: readonly string[]) => docker(['exec', name, ...command]);
      return { name, url: `http://${address}`, inspect, logs, exec };
    },

    remove: (name: string) => docker(['rm', '-f', '-v', name]),

    async volume(): Promise<string> {
      const name = `${prefix}-volume-${++count}`;
      await docker(['volume', 'create', name]);
      volumes.add(name);
      return name;
    },

    async removeAll(): Promise<void> {
      for (const name of names) await docker(['rm', '-f', '-v', name], { statuses: [0, 1] });
      for (const name of volumes) await docker(['volume', 'rm', '-f', name], { statuses: [0, 1] });
    },
  };
}
