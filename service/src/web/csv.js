/**
 * One field by RFC 4180. Text that a spreadsheet would take for a formula is kept text: file names come from anybody
 * (OWASP: CSV injection).
 */
export function field(value) {
  if (value === undefined) return '';
  if (typeof value === 'number') return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const line = (values) => `${values.map(field).join(',')}\r\n`;

/** The header of a table with `topK` classes a row. */
export function csvHeader(topK) {
  const classes = Array.from({ length: topK }, (_, at) => [`label_${at + 1}`, `probability_${at + 1}`]);
  return line(['key', 'model', 'version', ...classes.flat(), 'error_code', 'error_message']);
}

/** One result row of a job, failed or not. */
export function csvRow({ key, model, version, predictions = [], error }, topK) {
  const classes = Array.from({ length: topK }, (_, at) => [
    predictions[at]?.label,
    predictions[at]?.probability,
  ]);
  return line([key, model, version, ...classes.flat(), error?.code, error?.message]);
}
