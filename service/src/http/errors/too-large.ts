import { AppError } from '../../domain/errors.ts';

/** An image over its limit, however it was sent. @param maxBytes the limit that it exceeds */
export const imageTooLarge = (maxBytes: number) =>
  new AppError(
    'IMAGE_TOO_LARGE',
    `the image is larger than ${maxBytes} bytes; scale it down, or upload it with POST /uploads and send {"object": "<its key>"}`,
  );

/** An image over the limit of an upload. @param maxBytes the limit that it exceeds */
export const uploadTooLarge = (maxBytes: number) =>
  new AppError('IMAGE_TOO_LARGE', `the image is larger than ${maxBytes} bytes; scale it down`);

/** Several images over the limit of one request. @param maxBytes the limit that they exceed */
export const imagesTooLarge = (maxBytes: number) =>
  new AppError(
    'PAYLOAD_TOO_LARGE',
    `the images are larger than ${maxBytes} bytes together; send fewer, or put them into the store and send {"objects": ["<key>", ...]}`,
  );

/** A form of many images over its limit. @param maxBytes the limit that it exceeds */
export const batchFormTooLarge = (maxBytes: number) =>
  new AppError(
    'PAYLOAD_TOO_LARGE',
    `the form is larger than ${maxBytes} bytes; split it into several forms, or put the files into the store and send their prefix`,
  );

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The error of a body over the route's limit; PAYLOAD_TOO_LARGE when absent. */
    tooLarge?: () => AppError;
  }
}
