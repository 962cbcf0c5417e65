/** Units of CloudWatch that are used here. */
type EmfUnit = 'Milliseconds' | 'Count';

export type EmfMetrics = Readonly<
  Record<string, readonly [value: number | readonly number[], unit: EmfUnit]>
>;

/** Most values of one metric in one line: a bound of the format. */
export const MAX_EMF_VALUES = 100;

export interface EmfEntry {
  readonly namespace: string;
  /** What the metrics are told apart by; each combination of values is a metric that AWS bills, so keep them few. */
  readonly dimensions: Readonly<Record<string, string>>;
  /** One value, or up to 100 of them. */
  readonly metrics: EmfMetrics;
  /** Searchable in the log, but no dimension: the id of the request, its status. */
  readonly properties?: Readonly<Record<string, string | number | boolean>>;
  /** Milliseconds since 1970; now when absent. */
  readonly timestamp?: number;
}

/**
 * One log line from which CloudWatch makes metrics by itself, without a call to its API: Embedded Metric Format,
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
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
