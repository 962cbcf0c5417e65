// Containers of one test run: each has a name with the run's prefix, and all are removed at the end.
import { assert, until } from './harness.mjs';

/** How every mode is run here: as strict as the image promises to bear. */
export const STRICT = [
  '--read-only',
  '--cap-drop',
  'ALL',
  '--security-opt',
  'no-new-privileges',
  '--pids-limit',
  '256',
];
const TMP = ['--tmpfs', '/tmp:size=512m'];

export function createContainers({ docker }, image, prefix) {
  const names = new Set();
  const volumes = new Set();
  let count = 0;

  const nameOf = (what) => {
    const name = `${prefix}-${what}-${++count}`;
    names.add(name);
    return name;
  };

  return {
    image,
    docker,
    /** Runs to the end, as `docker run --rm`. `strict: false` leaves the root writable, `tmp: false` takes /tmp away. */
    once: (what, options, words, { tmp = true, ...rest } = {}) =>
      docker(
        ['run', '--rm', '--name', nameOf(what), ...STRICT, ...(tmp ? TMP : []), ...options, image, ...words],
        rest,
      ),

    /** Runs a script in the image's own Node, as /app would see it. */
    script: async (source, options = []) => {
      const args = [
        'run',
        '--rm',
        '-i',
        '--name',
        nameOf('script'),
        ...options,
        '--entrypoint',
        'node',
        image,
        '--input-type=module',
        '-',
      ];
      return (await docker(args, { input: source })).stdout;
    },

    /** Starts a server, and tells its address once the image's own health check says healthy (or at once). */
    async start(what, options, words, { strict = true, port = 8080, healthy = true } = {}) {
      const name = nameOf(what);
      const limits = strict ? [...STRICT, ...TMP] : [];
      await docker([
        'run',
        '-d',
        '--name',
        name,
        ...limits,
        '-p',
        `127.0.0.1::${port}`,
        '--health-interval',
        '1s',
        ...options,
        image,
        ...words,
      ]);
      const address = (await docker(['port', name, `${port}/tcp`])).stdout.trim().split('\n')[0];
      const inspect = async (format) => (await docker(['inspect', '-f', format, name])).stdout.trim();
      const logs = async () => {
        const { stdout, stderr } = await docker(['logs', name]);
        return stdout + stderr;
      };
      if (healthy) {
        await until(`"healthy" of ${what}`, async () => {
          assert((await inspect('{{.State.Running}}')) === 'true', `it ended: ${(await logs()).slice(-600)}`);
          return (await inspect('{{.State.Health.Status}}')) === 'healthy';
        });
      }
      return {
        name,
        url: `http://${address}`,
        inspect,
        logs,
        exec: (words) => docker(['exec', name, ...words]),
      };
    },

    async volume() {
      const name = `${prefix}-volume-${++count}`;
      await docker(['volume', 'create', name]);
      volumes.add(name);
      return name;
    },

    async removeAll() {
      for (const name of names) await docker(['rm', '-f', '-v', name], { statuses: [0, 1] });
      for (const name of volumes) await docker(['volume', 'rm', '-f', name], { statuses: [0, 1] });
    },
  };
}
