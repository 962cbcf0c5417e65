type Slots = Record<string, unknown>;
type Body = { content?: Record<string, { schema?: unknown; examples?: Slots }> };
type Response = Body & { description?: string; headers?: Slots };
interface Operation {
  operationId?: string;
  parameters?: { name: string; in: string }[];
  requestBody?: Body;
  responses?: Record<string, Response>;
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: Record<string, Slots>;
}
/** The place of a value in the document, and the name of its component if it becomes one. */
type Slot = readonly [holder: object, key: string | number, name: string];

/**
 * Returns a copy in which each header, example, parameter and response that occurs at least twice is a component.
 * Inline schemas stay in their operation, because client generators name the types after the operation.
 */
export function shareComponents<T extends object>(document: T): T {
  const copy = JSON.parse(JSON.stringify(document)) as T & Document;
  const operations = Object.values(copy.paths).flatMap((path) => Object.values(path));
  const responses = operations.flatMap(({ responses = {} }) => Object.values(responses));
  const bodies = [...responses, ...operations.flatMap(({ requestBody = {} }) => [requestBody])];
  const examples = bodies.flatMap(({ content = {} }) =>
    Object.values(content).flatMap((media) => slotsOf(media.examples, (_, name) => name)),
  );
  const headers = responses.flatMap((response) => slotsOf(response.headers, (_, name) => name));
  const parameters = operations.flatMap(({ parameters = [] }) =>
    parameters.map((parameter, index): Slot => [parameters, index, parameter.name]),
  );
  // Inner values first: responses that contain the same references are still equal.
  share(copy.components, 'examples', examples);
  share(copy.components, 'headers', headers);
  share(copy.components, 'parameters', parameters);
  share(
    copy.components,
    'responses',
    operations.flatMap((operation) =>
      slotsOf(operation.responses, ({ description }) => pascalCase(description ?? '')).filter(
        ([holder, key]) => !hasInlineSchema((holder as Record<string, Response>)[key] as Response),
      ),
    ),
  );
  return copy;
}

function slotsOf<V>(holder: Record<string, V> = {}, nameOf: (value: V, key: string) => string): Slot[] {
  return Object.entries(holder).map(([key, value]): Slot => [holder, key, nameOf(value, key)]);
}

function share(components: Document['components'], kind: string, slots: readonly Slot[]): void {
  const groups = new Map<string, Slot[]>();
  for (const slot of slots) {
    const text = JSON.stringify((slot[0] as Slots)[slot[1]]);
    groups.set(text, [...(groups.get(text) ?? []), slot]);
  }
  for (const [text, [first, ...others]] of groups) {
    if (!first || others.length === 0) continue;
    components[kind] ??= {};
    const name = unusedName(components[kind], first[2]);
    components[kind][name] = JSON.parse(text);
    for (const [holder, key] of [first, ...others]) {
      (holder as Slots)[key] = { $ref: `#/components/${kind}/${name}` };
    }
  }
}

function unusedName(used: Slots, wanted: string): string {
  let name = wanted;
  for (let number = 2; Object.hasOwn(used, name); number++) name = `${wanted}${number}`;
  return name;
}

function hasInlineSchema({ content = {} }: Response): boolean {
  return Object.values(content).some(({ schema }) => !(schema && Object.hasOwn(schema, '$ref')));
}

/** `MODEL_NOT_FOUND or OBJECT_NOT_FOUND` becomes `ModelNotFoundOrObjectNotFound`. */
function pascalCase(text: string): string {
  const words = text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  return words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join('');
}
