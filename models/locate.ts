import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Folders of models in MODELS_DIR. The examples are served only if a setting names them. */
const MODEL_LEVELS = ['.', 'examples'] as const;

/** The folder of the model called `name`; the path where it would be if it does not exist. */
export function modelFolder(modelsDir: string, name: string): string {
  const candidates = MODEL_LEVELS.map((level) => join(modelsDir, level, name));
  const found = candidates.find((folder) => existsSync(join(folder, 'manifest.json')));
  return found ?? join(modelsDir, name);
}
