import createFetchClient from 'openapi-fetch';

/** Bytes, texts and forms go as they are; an object that holds a Blob is a form; all else is JSON. */
export function serializeBody(body) {
  if (body === undefined || typeof body === 'string') return body;
  if (body instanceof Blob || body instanceof FormData || body instanceof ReadableStream) return body;
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) return body;
  const entries = Object.entries(body).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one) => [name, one]),
  );
  if (!entries.some(([, value]) => value instanceof Blob)) return JSON.stringify(body);
  const form = new FormData();
  // The service reads a form's fields before its files.
  for (const [name, value] of entries) {
    if (value !== undefined && !(value instanceof Blob)) form.append(name, String(value));
  }
  for (const [name, value] of entries) if (value instanceof Blob) form.append(name, value);
  return form;
}

export function createClient({ apiKey, headers, ...options }) {
  return createFetchClient({
    bodySerializer: serializeBody,
    ...options,
    headers: { ...(apiKey === undefined ? {} : { 'x-api-key': apiKey }), ...headers },
  });
}
