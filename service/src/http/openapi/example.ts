/** Examples of one operation, by its operationId. */
export interface Examples {
  /** Of request bodies, by media type and name. */
  readonly request?: Readonly<Record<string, Record<string, { summary: string; value: unknown }>>>;
  /** Of the success response, in its first media type. */
  readonly response?: unknown;
  /** Details of problems, by code. */
  readonly details?: Readonly<Record<string, string>>;
}
