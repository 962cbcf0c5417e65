/** Most files that are taken from one drop: beyond it the store is the better way in. */
export const MAX_DROPPED = 10_000;

/** Where dropped files lie below the folder that was dropped. A chosen folder's files know it themselves. */
const paths = new WeakMap();

/** The path of a file below the folder that was given, that folder's name included; the name of a file that was given alone. */
export const pathOf = (file) => paths.get(file) ?? (file.webkitRelativePath || file.name);

/**
 * The files of a drop, folders included. Must be called in the event's own turn, as the browser empties the transfer after.
 *
 * @returns {Promise<{ files: File[], name: string, hasFolder: boolean }>} name: of the first folder, or ''
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
    // A hundred at a time, until there are no more.
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return;
    for (const inner of entries) await collect(inner, files);
  }
}
