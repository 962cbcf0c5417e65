import { Document, isScalar, visit } from 'yaml';
import type { App } from '../app-type.ts';
import { shareComponents } from './components.ts';

const HEADER = '# Generated from the routes’ schemas by `npm run openapi`; do not edit.\n';
/** In characters; the yaml package breaks longer flow collections into a line per item. */
const MAX_FLOW_LENGTH = 60;

/** The document as openapi.yaml has it: references, bare types and short lists take one line. The app must be ready. */
export function openapiYaml(app: App): string {
  const document = new Document(shareComponents(app.swagger()), { aliasDuplicateObjects: false });
  visit(document, {
    Map(_, map) {
      if (map.items.length === 1 && (map.has('$ref') || map.has('type'))) map.flow = true;
    },
    Seq(_, list) {
      if (list.items.every(isScalar) && String(list.toJSON()).length < MAX_FLOW_LENGTH) list.flow = true;
    },
  });
  return HEADER + document.toString({ lineWidth: 110 });
}
