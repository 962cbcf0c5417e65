import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository, whatever the working directory is. Compiled tests run from dist/service/test/helpers. */
export const root = fileURLToPath(new URL('../../../../', import.meta.url));

/** The absolute path of a file of the repository. */
export const fromRoot = (...parts: string[]): string => join(root, ...parts);
