import assert from 'node:assert/strict';

export interface Answer {
  readonly predictions: readonly { readonly label: string; readonly probability: number }[];
}

export const post = (url: string, body: Buffer): Promise<Response> =>
  fetch(url, { method: 'POST', body: new Uint8Array(body), headers: { 'content-type': 'image/jpeg' } });

export const readJson = async <T>(response: Response): Promise<T> => (await response.json()) as T;

/** Asserts that an answer names the pumpkin. @returns the label with its probability */
export function assertPumpkin({ predictions: [first] }: Answer): string {
  assert.equal(first?.label, "jack-o'-lantern");
  return `${first.label} ${first.probability.toFixed(2)}`;
}

/** Sends the pumpkin, and asserts that the answer names it. @returns the label with its probability */
export async function classifyPumpkin(url: string, pumpkin: Buffer): Promise<string> {
  const response = await post(url, pumpkin);
  const text = await response.text();
  assert.equal(response.status, 200, `${url} answers ${text.slice(0, 300)}`);
  return assertPumpkin(JSON.parse(text) as Answer);
}
