import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AppError } from '../../service/src/domain/errors.ts';

/**
 * The directory of package.json, service/ and docker/, searched upwards from this file, which runs from dist/.
 *
 * @throws AppError INVALID_CONFIGURATION if the program runs outside its repository
 */
export function repositoryRoot(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  for (let folder = here; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json')) && existsSync(join(folder, 'infra', 'cdk.json')))
      return folder;
    if (folder === dirname(folder)) {
      throw new AppError('INVALID_CONFIGURATION', `no repository above ${here}: run this from a checkout`);
    }
  }
}
