/** Maximum files of one drop. The store is the better way for more. */
export const MAX_DROPPED = 10_000;

/** Paths of dropped files. Files of a chosen folder have `webkitRelativePath`. */
const paths = new WeakMap();

/** The path of a file, beginning with the name of the dropped or chosen folder; for a single file, its name. */
export const pathOf = (file) => paths.get(file) ?? (file.webkitRelativePath || file.name);

/**
 * The files of a drop, including those in folders. Call it before the event handler returns: then the browser empties
 * the transfer.
 *
 * @returns {Promise<{ files: File[], name: string, hasFolder: boolean }>} name: the first folder's, or ''
 */
export async function filesOfDrop(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const plain = [...transfer.files];
  const folders = entries.filter((entry) => entry.isDirectory);
  if (folders.length === 0) return { files: plain, name: '', hasFolder: false };
  const files = [];
  for (const entry of entries) await collect(entry, files);
  return { files, name: folders[0].name, hasFolder: true };
}

async function collect(entry, files) {
  if (files.length >= MAX_DROPPED) return;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    paths.set(file, entry.fullPath.replace(/^\/+/, ''));
    files.push(file);
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // readEntries returns at most 100 entries per call.
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return;
    for (const inner of entries) await collect(inner, files);
  }
}
