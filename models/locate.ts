import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Where models lie in a folder of models: on its first level, and worked examples, which are served only when named, in examples/. */
const MODEL_LEVELS = ['.', 'examples'] as const;

/** The folder of the model called `name`; where it would be, when there is none. */
export function modelFolder(modelsDir: string, name: string): string {
  const candidates = MODEL_LEVELS.map((level) => join(modelsDir, level, name));
  const found = candidates.find((folder) => existsSync(join(folder, 'manifest.json')));
  return found ?? join(modelsDir, name);
}
