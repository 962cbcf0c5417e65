import { bytes } from './format.js';

const EXTENSIONS = /\.(jpe?g|jfif|png|webp|avif|tiff?|gif)$/i;

/** Whether the service reads files of this type. */
export const isPictureType = (type) => /^image\/(jpeg|png|webp|avif|tiff|gif)$/.test(type);

/** Whether a file of a folder is a picture by its type or name. */
export const isPicture = (file) => isPictureType(file.type) || EXTENSIONS.test(file.name);

/**
 * Why a file cannot be classified, as far as the browser knows; undefined if it can be sent.
 *
 * @returns {Promise<{ title: string, text: string } | undefined>}
 */
export async function refusalOf(file, { uploadBytes }) {
  if (file.size === 0) {
    return { title: 'This file is empty', text: 'It has 0 bytes. Choose another picture.' };
  }
  if (file.type === 'application/pdf' || (await startOf(file)) === '%PDF-') {
    return {
      title: 'This is a PDF, not a picture',
      text: 'Export the page as PNG or JPEG, or take a screenshot of it, and choose that.',
    };
  }
  if (file.type.startsWith('video/')) {
    return { title: 'This is a video, not a picture', text: 'Pause it, take a screenshot, and choose that.' };
  }
  if (file.size > uploadBytes) {
    return {
      title: 'The picture is too large',
      text: `It has ${bytes(file.size)}; the limit is ${bytes(uploadBytes)}. Save a smaller copy and choose that.`,
    };
  }
  return undefined;
}

/** The first five bytes as text; empty if the file cannot be read. */
const startOf = (file) =>
  file
    .slice(0, 5)
    .text()
    .catch(() => '');
