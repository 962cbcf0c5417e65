import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

interface Digest {
  /** Lower-case hexadecimal. */
  readonly sha256: string;
  readonly bytes: number;
}

/** Hashes files on threads of its own (about 1 GB/s each), at most one thread a CPU and four in all. */
export interface Hasher {
  /** @throws the file system's error (ENOENT, EACCES, …) */
  digest(path: string): Promise<Digest>;
  close(): Promise<void>;
}

interface Task {
  readonly path: string;
  readonly resolve: (digest: Digest) => void;
  readonly reject: (error: Error) => void;
}

type Reply = Digest | { readonly error: { readonly code?: string; readonly message: string } };

export function createHasher(threads = Math.min(4, availableParallelism())): Hasher {
  const waiting: Task[] = [];
  const idle: Worker[] = [];
  const all: Worker[] = [];
  const busy = new Map<Worker, Task>();

  const next = () => {
    while (waiting.length > 0) {
      const worker = idle.pop() ?? (all.length < threads ? add() : undefined);
      if (worker === undefined) return;
      const task = waiting.shift();
      if (task === undefined) return;
      busy.set(worker, task);
      worker.ref();
      worker.postMessage(task.path);
    }
  };

  const finish = (worker: Worker): Task | undefined => {
    const task = busy.get(worker);
    busy.delete(worker);
    worker.unref();
    return task;
  };

  const add = (): Worker => {
    const worker = new Worker(new URL('./hash-worker.js', import.meta.url));
    worker.on('message', (reply: Reply) => {
      const task = finish(worker);
      idle.push(worker);
      if ('error' in reply) task?.reject(Object.assign(new Error(reply.error.message), reply.error));
      else task?.resolve(reply);
      next();
    });
    worker.on('error', (error: Error) => {
      finish(worker)?.reject(error);
      all.splice(all.indexOf(worker), 1);
      next();
    });
    worker.unref();
    all.push(worker);
    return worker;
  };

  return {
    digest: (path) =>
      new Promise((resolve, reject) => {
        waiting.push({ path, resolve, reject });
        next();
      }),
    close: async () => {
      await Promise.all(all.map((worker) => worker.terminate()));
    },
  };
}
