import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { ReadableStream } from 'node:stream/web';
import type { RequestBody } from '../../client/service-client.ts';
import { notReadable } from '../../failure.ts';
import { type FoundFile, fileError } from '../../files.ts';

/** Maximum files and bytes of one request, which becomes one job. The service accepts 64 MiB; half of it also arrives in time on a slow line. */
export const MAX_PART_FILES = 1000;
export const MAX_PART_BYTES = 32 * 1024 * 1024;
/** Allowance for what stands around a file in a form, in bytes. */
const PART_HEADERS = 512;

/** Files in groups that fit into one request of at most `maxBytes` each, in their order. */
export function splitUpload(files: readonly FoundFile[], maxBytes = MAX_PART_BYTES): FoundFile[][] {
  const parts: FoundFile[][] = [];
  let bytes = 0;
  for (const file of files) {
    const needed = file.bytes + PART_HEADERS;
    const last = parts.at(-1);
    if (last && last.length < MAX_PART_FILES && bytes + needed <= maxBytes) {
      last.push(file);
      bytes += needed;
    } else {
      parts.push([file]);
      bytes = needed;
    }
  }
  return parts;
}

export interface Form {
  readonly contentType: string;
  /** The body, from its start; files are opened one after the other as it is read. */
  readonly body: () => RequestBody;
}

/**
 * A multipart form of text fields and files that is never in memory as a whole.
 *
 * @param onBytes told how many bytes of files this try has read so far
 */
export function createForm(
  fields: Readonly<Record<string, string>>,
  files: readonly FoundFile[],
  onBytes: (bytes: number) => void,
): Form {
  const boundary = `ml-serverless-${randomUUID()}`;
  async function* parts(): AsyncGenerator<Uint8Array> {
    const text = new TextEncoder();
    let bytes = 0;
    for (const [name, value] of Object.entries(fields)) {
      yield text.encode(
        `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
      );
    }
    for (const { name, path, relative } of files) {
      yield text.encode(
        `--${boundary}\r\ncontent-disposition: form-data; name="files"; filename="${escapeName(relative)}"\r\n` +
          'content-type: application/octet-stream\r\n\r\n',
      );
      try {
        for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024 })) {
          bytes += chunk.length;
          onBytes(bytes);
          yield chunk;
        }
      } catch (error) {
        throw notReadable(`${name}: ${fileError(error).message}`, error);
      }
      yield text.encode('\r\n');
    }
    yield text.encode(`--${boundary}--\r\n`);
  }
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: () => ReadableStream.from(parts()) as RequestBody,
  };
}

/** As browsers write file names into forms (WHATWG, multipart/form-data encoding). */
function escapeName(name: string): string {
  return name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}
