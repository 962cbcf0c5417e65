import { Document, isScalar, visit } from 'yaml';
import type { App } from '../app-type.ts';
import { shareComponents } from './components.ts';

const HEADER = '# Generated from the routes’ schemas by `npm run openapi`; do not edit.\n';
/** In characters. Longer collections are easier to read, and to compare, with a line per item. */
const MAX_FLOW_LENGTH = 80;

/** Quotes and brackets not counted. */
const isShortText = (node: { toJSON(): unknown }) =>
  JSON.stringify(node.toJSON()).replace(/["{}[\]]/g, '').length < MAX_FLOW_LENGTH;

/** The document as openapi.yaml has it: references, short schemas and short lists take one line. The app must be ready. */
export function openapiYaml(app: App): string {
  const document = new Document(shareComponents(app.swagger()), { aliasDuplicateObjects: false });
  visit(document, {
    Map(_, map) {
      const isShort = map.items.every(({ value }) => isScalar(value)) && isShortText(map);
      if (map.has('$ref') || (map.has('type') && isShort)) map.flow = true;
    },
    Seq(_, list) {
      if (list.items.every(isScalar) && isShortText(list)) list.flow = true;
    },
  });
  return HEADER + document.toString({ lineWidth: 110 });
}
