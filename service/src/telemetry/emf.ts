type EmfUnit = 'Milliseconds' | 'Count';

export type EmfMetrics = Readonly<
  Record<string, readonly [value: number | readonly number[], unit: EmfUnit]>
>;

/** Limit of the format for the values of a metric in one line. */
export const MAX_EMF_VALUES = 100;

export interface EmfEntry {
  readonly namespace: string;
  /** AWS bills each combination of values as a metric, so keep them few. */
  readonly dimensions: Readonly<Record<string, string>>;
  /** Of an array, the first MAX_EMF_VALUES values count. */
  readonly metrics: EmfMetrics;
  /** Facts to search the log for, such as the request's id; they are not dimensions. */
  readonly properties?: Readonly<Record<string, string | number | boolean>>;
  /** Milliseconds since 1970; default: now. */
  readonly timestamp?: number;
}

/**
 * A log line from which CloudWatch extracts metrics, without a call to its API. This is its Embedded Metric Format:
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 *
 * Own code instead of @aws-lambda-powertools/metrics, which splits a line at 100 values, has properties of text only, and
 * adds a dimension `service` that the alarms do not have.
 *
 * @returns JSON without a line break
 */
export function emfLine({ namespace, dimensions, metrics, properties = {}, timestamp }: EmfEntry): string {
  const values = Object.fromEntries(
    Object.entries(metrics).map(([name, [value]]) => [
      name,
      typeof value === 'number' ? value : value.slice(0, MAX_EMF_VALUES),
    ]),
  );
  return JSON.stringify({
    ...properties,
    _aws: {
      Timestamp: timestamp ?? Date.now(),
      CloudWatchMetrics: [
        {
          Namespace: namespace,
          Dimensions: [Object.keys(dimensions)],
          Metrics: Object.entries(metrics).map(([Name, [, Unit]]) => ({ Name, Unit })),
        },
      ],
    },
    ...dimensions,
    ...values,
  });
}
