import { type EmfMetrics, emfLine } from './emf.ts';

/** The second argument of a handler on AWS Lambda, as far as it is used. */
export interface InvocationContext {
  readonly awsRequestId?: string;
  /** Milliseconds until Lambda stops the invocation. */
  readonly getRemainingTimeInMillis?: () => number;
}

export type InvocationHandler<E, C, R> = (event: E, context: C) => Promise<R>;

export interface InvocationMeter<R> {
  /** AWS_LAMBDA_FUNCTION_NAME; if undefined, nothing is written. */
  readonly functionName: string | undefined;
  /** Derives metrics and properties (EmfEntry) from a result. */
  readonly read: (result: R) => {
    readonly metrics: EmfMetrics;
    readonly properties?: Readonly<Record<string, string | number>>;
  };
  /** Awaited before each result is returned. */
  readonly flush: () => Promise<void>;
  /** Gets a line with its line break. Default: standard output, which is the log on AWS Lambda. */
  readonly write?: (line: string) => void;
}

/** CloudWatch namespace of this service; the dimension FunctionName distinguishes functions and stacks. */
const NAMESPACE = 'ml-serverless';

/**
 * Wraps a Lambda handler. It writes one line of metrics per invocation: whether it was the first one of its environment,
 * whether it returned or threw (AWS Lambda counts errors itself), and what `read` derives from the result.
 */
export function meterInvocations<E, C extends InvocationContext | undefined, R>(
  handler: InvocationHandler<E, C, R>,
  { functionName, read, flush, write = (line) => void process.stdout.write(line) }: InvocationMeter<R>,
): InvocationHandler<E, C, R> {
  let isCold = true;
  return async (event, context) => {
    let reading: ReturnType<InvocationMeter<R>['read']> | undefined;
    try {
      const result = await handler(event, context);
      reading = read(result);
      return result;
    } finally {
      if (functionName !== undefined) {
        const { awsRequestId: requestId } = context ?? {};
        const line = emfLine({
          namespace: NAMESPACE,
          dimensions: { FunctionName: functionName },
          metrics: {
            ...reading?.metrics,
            ColdStarts: [Number(isCold), 'Count'],
          },
          properties: {
            ...(requestId === undefined ? {} : { requestId }),
            outcome: reading === undefined ? 'failed' : 'answered',
            ...reading?.properties,
          },
        });
        write(`${line}\n`);
      }
      isCold = false;
      await flush();
    }
  };
}
