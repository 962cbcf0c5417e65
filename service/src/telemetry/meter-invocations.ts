import { type EmfMetrics, emfLine } from './emf.ts';

/** What is used of the second argument that AWS Lambda calls a handler with. */
export interface InvocationContext {
  readonly awsRequestId?: string;
  /** Milliseconds until Lambda ends the invocation. */
  readonly getRemainingTimeInMillis?: () => number;
}

export type InvocationHandler<E, C, R> = (event: E, context: C) => Promise<R>;

export interface InvocationMeter<R> {
  /** AWS_LAMBDA_FUNCTION_NAME; without it nothing is written. */
  readonly functionName: string | undefined;
  /** What an answer tells: its metrics, and facts to search the log for. */
  readonly read: (result: R) => {
    readonly metrics: EmfMetrics;
    readonly properties?: Readonly<Record<string, string | number>>;
  };
  /** Done before each answer. */
  readonly flush: () => Promise<void>;
  /** Takes a line with its line break; standard output when absent, which AWS Lambda keeps as the log. */
  readonly write?: (line: string) => void;
}

/** CloudWatch's name for all of this service's own metrics; the function's name tells functions and stacks apart. */
const NAMESPACE = 'ml-serverless';

/**
 * A Lambda handler that writes one line of metrics an invocation: whether it was the first of its environment,
 * whether it was answered or threw (AWS Lambda counts that by itself), and what `read` finds in its answer.
 */
export function meterInvocations<E, C extends InvocationContext | undefined, R>(
  handler: InvocationHandler<E, C, R>,
  { functionName, read, flush, write = (line) => void process.stdout.write(line) }: InvocationMeter<R>,
): InvocationHandler<E, C, R> {
  let isCold = true;
  return async (event, context) => {
    let told: ReturnType<InvocationMeter<R>['read']> | undefined;
    try {
      const result = await handler(event, context);
      told = read(result);
      return result;
    } finally {
      if (functionName !== undefined) {
        const { awsRequestId: requestId } = context ?? {};
        const line = emfLine({
          namespace: NAMESPACE,
          dimensions: { FunctionName: functionName },
          metrics: {
            ...told?.metrics,
            ColdStarts: [Number(isCold), 'Count'],
          },
          properties: {
            ...(requestId === undefined ? {} : { requestId }),
            outcome: told === undefined ? 'failed' : 'answered',
            ...told?.properties,
          },
        });
        write(`${line}\n`);
      }
      isCold = false;
      await flush();
    }
  };
}
