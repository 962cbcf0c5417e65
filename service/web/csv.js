/**
 * One field by RFC 4180. Text that a spreadsheet would take for a formula is kept text: file names come from anybody
 * (OWASP: CSV injection).
 */
function field(value) {
  if (value === undefined) return '';
  if (typeof value === 'number') return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const line = (values) => `${values.map(field).join(',')}\r\n`;

/** The header of a table with `topK` classes a line. */
export function csvHeader(topK) {
  const classes = Array.from({ length: topK }, (_, at) => [`label_${at + 1}`, `probability_${at + 1}`]);
  return line(['key', 'row', 'model', 'version', ...classes.flat(), 'value', 'error_code', 'error_message']);
}

/**
 * One result of a job, failed or not: a line for a picture, with its likeliest classes; for a file of rows one line a row,
 * counted from 1, with its class or its value, or its error.
 */
export function csvRow(result, topK) {
  const { predictions = [], error } = result;
  if (!predictions.some(isOfRow)) return answerLine(result, '', predictions, { error }, topK);
  return predictions
    .map((answer, at) => answerLine(result, at + 1, 'label' in answer ? [answer] : [], answer, topK))
    .join('');
}

/** What a model of rows answers: a value, an error, or a class with the probabilities of all. */
const isOfRow = (prediction) => !('index' in prediction) || 'probabilities' in prediction;

function answerLine({ key, model, version }, row, answers, { value, error }, topK) {
  const classes = Array.from({ length: topK }, (_, at) => [answers[at]?.label, answers[at]?.probability]);
  return line([key, row, model, version, ...classes.flat(), value, error?.code, error?.message]);
}
