import { type Static, Type } from 'typebox';

/** Images that the service decodes, and files of unknown type. */
const UPLOAD_TYPE = '^(image/(jpeg|png|webp|avif|tiff|gif)|application/octet-stream)$';

export const UploadRequest = Type.Object(
  {
    size: Type.Integer({ minimum: 1, description: 'Exact size of the file in bytes' }),
    name: Type.Optional(
      Type.String({ minLength: 1, maxLength: 512, description: 'Its name or relative path; ends the key' }),
    ),
    type: Type.Optional(Type.String({ pattern: UPLOAD_TYPE, default: 'application/octet-stream' })),
  },
  { additionalProperties: false },
);
export type UploadRequest = Static<typeof UploadRequest>;

export const UploadResponse = Type.Object({
  key: Type.String(),
  url: Type.String({ description: 'Absolute, or a path of this service' }),
  headers: Type.Record(Type.String(), Type.String()),
  expiresAt: Type.String({ format: 'date-time' }),
});
export type UploadResponse = Static<typeof UploadResponse>;
