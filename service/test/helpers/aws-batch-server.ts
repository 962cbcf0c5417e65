import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { WorkerCommand } from '../../src/jobs/worker-process.ts';

/** One child of a job. Its attempts run one after the other. */
interface Child {
  status: 'RUNNABLE' | 'RUNNING' | 'SUCCEEDED' | 'FAILED';
  attempts: number;
  process?: ChildProcess;
}
interface Job {
  readonly jobId: string;
  readonly jobName: string;
  readonly size: number | undefined;
  readonly environment: Readonly<Record<string, string>>;
  readonly children: Child[];
  statusReason?: string;
  isTerminated: boolean;
}

export interface AwsBatchServer {
  readonly endpoint: string;
  readonly jobQueue: string;
  readonly jobDefinition: string;
  /** Names of the called operations. */
  readonly calls: readonly string[];
  close(): Promise<void>;
}

export interface AwsBatchOptions {
  /** The container's entrypoint: a real worker process. */
  readonly command: WorkerCommand;
  /** Maximum number of running children, like a compute environment's. */
  readonly concurrency?: number;
  /** The job definition's retryStrategy.attempts. */
  readonly attempts?: number;
  /** Refuses every call with this message. */
  readonly refusal?: string;
}

/** A request that AWS Batch rejects, with its status and exception. */
class ClientException extends Error {}

/**
 * The part of AWS Batch that jobs need, by its API reference: validates as AWS does (names, sizes of arrays,
 * 8 KiB of overrides, unknown queues), runs the children of an array as real processes with AWS_BATCH_JOB_ARRAY_INDEX,
 * retries them, and keeps the parent PENDING while children run.
 */
export async function startAwsBatch(options: AwsBatchOptions): Promise<AwsBatchServer> {
  const { command, concurrency = 2, attempts = 3, refusal } = options;
  const jobQueue = 'arn:aws:batch:us-east-1:123456789012:job-queue/test';
  const jobDefinition = 'arn:aws:batch:us-east-1:123456789012:job-definition/worker:1';
  const jobs = new Map<string, Job>();
  const calls: string[] = [];
  let running = 0;
  let isClosed = false;

  function pump(): void {
    for (const job of jobs.values()) {
      job.children.forEach((child, index) => {
        if (!isClosed && !job.isTerminated && child.status === 'RUNNABLE' && running < concurrency)
          run(job, child, index);
      });
    }
  }

  function run(job: Job, child: Child, index: number): void {
    running += 1;
    child.status = 'RUNNING';
    child.attempts += 1;
    const environment = command.environment({
      ...job.environment,
      AWS_BATCH_JOB_ID: job.size === undefined ? job.jobId : `${job.jobId}:${index}`,
      AWS_BATCH_JOB_ATTEMPT: String(child.attempts),
      ...(job.size === undefined ? {} : { AWS_BATCH_JOB_ARRAY_INDEX: String(index) }),
    });
    child.process = spawn(command.program, command.args, { env: environment, stdio: 'ignore' });
    child.process.once('close', (code) => {
      running -= 1;
      if (code === 0) child.status = 'SUCCEEDED';
      else child.status = child.attempts < attempts && !job.isTerminated ? 'RUNNABLE' : 'FAILED';
      pump();
    });
  }

  const statusOf = ({ children, size, isTerminated }: Job): string => {
    const has = (status: Child['status']) => children.some((child) => child.status === status);
    if (has('RUNNING') || (has('RUNNABLE') && !isTerminated)) {
      if (size !== undefined) return 'PENDING';
      return has('RUNNING') ? 'RUNNING' : 'RUNNABLE';
    }
    return has('FAILED') || isTerminated ? 'FAILED' : 'SUCCEEDED';
  };

  const operations: Record<string, (body: Record<string, unknown>) => unknown> = {
    submitjob({
      jobName,
      jobQueue: queue,
      jobDefinition: definition,
      arrayProperties,
      containerOverrides,
      ...rest
    }) {
      refuse(Object.keys(rest).length > 0, `unknown member ${Object.keys(rest)}`);
      refuse(
        typeof jobName !== 'string' || !/^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/.test(jobName),
        'Job name should match valid pattern',
      );
      refuse(queue !== jobQueue, `JobQueue ${queue} not found`);
      refuse(definition !== jobDefinition, `JobDefinition ${definition} not found`);
      const size = (arrayProperties as { size?: number } | undefined)?.size;
      refuse(
        size !== undefined && !(Number.isInteger(size) && size >= 2 && size <= 10_000),
        'Array size must be between 2 and 10000',
      );
      const overrides = (containerOverrides ?? {}) as { environment?: { name: string; value: string }[] };
      refuse(
        Buffer.byteLength(JSON.stringify(overrides)) > 8192,
        'Container Overrides length must be at most 8192',
      );
      const environment = overrides.environment ?? [];
      refuse(
        environment.some(({ name }) => name.startsWith('AWS_BATCH')),
        'Environment variables cannot start with AWS_BATCH',
      );
      const jobId = randomUUID();
      const children = Array.from({ length: size ?? 1 }, (): Child => ({ status: 'RUNNABLE', attempts: 0 }));
      jobs.set(jobId, {
        jobId,
        jobName: jobName as string,
        size,
        environment: Object.fromEntries(environment.map(({ name, value }) => [name, value])),
        children,
        isTerminated: false,
      });
      pump();
      return { jobArn: `arn:aws:batch:us-east-1:123456789012:job/${jobId}`, jobId, jobName };
    },
    describejobs({ jobs: ids }) {
      refuse(!Array.isArray(ids) || ids.length < 1 || ids.length > 100, 'jobs must have 1 to 100 entries');
      return { jobs: (ids as string[]).flatMap((id) => detail(jobs.get(id))) };
    },
    listjobs({ jobQueue: queue, filters, jobStatus }) {
      refuse(queue !== jobQueue, `JobQueue ${queue} not found`);
      refuse(
        filters !== undefined && jobStatus !== undefined,
        'filters and jobStatus cannot be used together',
      );
      const [filter] = (filters ?? []) as { name: string; values: string[] }[];
      const found = [...jobs.values()].filter((job) =>
        filter
          ? filter.name === 'JOB_NAME' && filter.values[0]?.toLowerCase() === job.jobName.toLowerCase()
          : statusOf(job) === (jobStatus ?? 'RUNNING'),
      );
      return {
        jobSummaryList: found.map((job) => ({
          jobId: job.jobId,
          jobName: job.jobName,
          status: statusOf(job),
        })),
      };
    },
    terminatejob({ jobId, reason }) {
      refuse(typeof reason !== 'string' || reason === '', 'reason is required');
      const job = jobs.get(jobId as string);
      refuse(!job, `Job ${jobId} not found`);
      if (job && statusOf(job) !== 'SUCCEEDED' && statusOf(job) !== 'FAILED') {
        job.isTerminated = true;
        job.statusReason = reason as string;
        for (const child of job.children) {
          child.process?.kill('SIGTERM');
          if (child.status === 'RUNNABLE') child.status = 'FAILED';
        }
      }
      return {};
    },
    canceljob: (body) => operations.terminatejob?.(body),
  };

  function detail(job: Job | undefined): unknown[] {
    if (!job) return [];
    const statusSummary: Record<string, number> = {};
    for (const { status } of job.children) statusSummary[status] = (statusSummary[status] ?? 0) + 1;
    return [
      {
        jobId: job.jobId,
        jobName: job.jobName,
        jobQueue,
        jobDefinition,
        status: statusOf(job),
        startedAt: 0,
        isTerminated: job.isTerminated,
        isCancelled: false,
        ...(job.statusReason ? { statusReason: job.statusReason } : {}),
        ...(job.size === undefined ? {} : { arrayProperties: { size: job.size, statusSummary } }),
      },
    ];
  }

  const server = createServer((request, response) => {
    void (async () => {
      const operation = /^\/v1\/([a-z]+)$/.exec(request.url ?? '')?.[1] ?? '';
      calls.push(operation);
      let status = 200;
      let answer: unknown;
      try {
        if (refusal !== undefined) throw new ClientException(refusal);
        const handle = operations[operation];
        refuse(!handle || request.method !== 'POST', `unknown operation ${request.method} ${request.url}`);
        refuse(!request.headers.authorization?.startsWith('AWS4-HMAC-SHA256 '), 'the request is not signed');
        answer = handle?.(JSON.parse(await bodyOf(request)) as Record<string, unknown>);
      } catch (error) {
        status = error instanceof ClientException ? 400 : 500;
        answer = { message: (error as Error).message };
        response.setHeader('x-amzn-errortype', status === 400 ? 'ClientException' : 'ServerException');
      }
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    jobQueue,
    jobDefinition,
    calls,
    async close() {
      isClosed = true;
      for (const { children } of jobs.values()) {
        for (const { process } of children) {
          if (!process || process.exitCode !== null || process.signalCode !== null) continue;
          process.kill('SIGKILL');
          await new Promise((resolve) => process.once('close', resolve));
        }
      }
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function refuse(condition: boolean, message: string): void {
  if (condition) throw new ClientException(message);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of request) text += part;
  return text || '{}';
}
