import { buffer } from 'node:stream/consumers';
import { ZipFile } from 'yazl';

/** A zip file with deflated entries, like a Python wheel. */
export function zip(entries: Readonly<Record<string, Uint8Array | string>>): Promise<Buffer> {
  const file = new ZipFile();
  for (const [name, content] of Object.entries(entries))
    file.addBuffer(Buffer.from(content as Uint8Array), name);
  file.end();
  return buffer(file.outputStream);
}
