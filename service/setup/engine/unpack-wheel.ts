import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { openPromise } from 'yauzl';
import { SetupError } from '../failure.ts';

/** Linux (so.2) and macOS (2.dylib). */
const LIBRARY = /^tensorflow\/(libtensorflow_(?:cc|framework)\.(?:so\.2|2\.dylib))$/;

/** The headers of the C API and those that they include. The other 170 MB of headers are for C++. */
const HEADER =
  /^tensorflow\/(include\/(?:tensorflow|tsl)\/(?:c\/(?:[a-z0-9_]+\/)*[a-z0-9_]+|(?:core\/)?platform\/ctstring[^/]*)\.h)$/;

/** Where a file of the wheel goes; undefined if it is not needed. */
export function destinationOf(name: string): string | undefined {
  const library = LIBRARY.exec(name)?.[1];
  const header = HEADER.exec(name)?.[1];
  return library ? `deps/lib/${library}` : header && `deps/${header}`;
}

/**
 * Unpacks libtensorflow and the headers of its C API into the layout of tfjs-node: deps/lib, deps/include.
 *
 * @param onProgress called with the bytes written so far and the total
 * @throws SetupError if the wheel is damaged or lacks the libraries
 */
export async function unpackWheel(
  wheel: string,
  folder: string,
  onProgress: (written: number, total: number) => void,
): Promise<void> {
  const zip = await openPromise(wheel, { lazyEntries: true, autoClose: false }).catch((cause: Error) => {
    throw new SetupError(`${wheel} is not a readable zip file: ${cause.message}`, { cause });
  });
  try {
    const wanted = [];
    for await (const entry of zip.eachEntry()) {
      const to = destinationOf(entry.fileName);
      if (to !== undefined) wanted.push({ entry, to });
    }
    for (const library of ['libtensorflow_cc', 'libtensorflow_framework']) {
      if (!wanted.some(({ to }) => to.startsWith(`deps/lib/${library}.`)))
        throw new SetupError(`${wheel} does not hold ${library}`);
    }
    const total = wanted.reduce((sum, { entry }) => sum + entry.uncompressedSize, 0);
    let written = 0;
    for (const { entry, to } of wanted) {
      const file = join(folder, to);
      await mkdir(dirname(file), { recursive: true });
      const counter = new Transform({
        transform: (chunk: Buffer, _encoding, done) => {
          written += chunk.length;
          onProgress(written, total);
          done(null, chunk);
        },
      });
      await pipeline(await zip.openReadStreamPromise(entry), counter, createWriteStream(file));
    }
  } finally {
    zip.close();
  }
}
