/**
 * Whether an answer has the shape that a page shows: the same members with values of the same kinds. `…` in what is shown stands for
 * more of the same.
 *
 * @returns what differs, or undefined
 */
export function shapeFault(shown: string, actual: string): string | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(actual);
  } catch {
    return `not JSON: ${actual.slice(0, 200)}`;
  }
  const complete = shown
    .replaceAll(/\{\s*…\s*\}/g, '{}')
    .replaceAll(/\[\s*…\s*\]/g, '[]')
    .replaceAll(/,\s*…\s*(?=[\]}])/g, '');
  return compare(JSON.parse(complete), answer, '');
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return value === null ? 'null' : typeof value;
}

function compare(shown: unknown, actual: unknown, path: string): string | undefined {
  const kind = kindOf(shown);
  if (kindOf(actual) !== kind) return `${path || '/'} is ${kindOf(actual)}, the page shows ${kind}`;
  if (Array.isArray(shown) && Array.isArray(actual)) {
    if (shown.length > 0 && actual.length === 0) return `${path} is empty`;
    const faults = actual.map((item, index) =>
      shown.length > 0 ? compare(shown[0], item, `${path}/${index}`) : undefined,
    );
    return faults.find((fault) => fault !== undefined);
  }
  if (kind !== 'object') return undefined;
  const members = actual as Readonly<Record<string, unknown>>;
  for (const [name, value] of Object.entries(shown as object)) {
    if (!(name in members)) return `${path}/${name} is not there`;
    const fault = compare(value, members[name], `${path}/${name}`);
    if (fault) return fault;
  }
  return undefined;
}
