import type { RuntimeSpec } from './runtime.ts';

/** To the thread: one batch; `input` is transferred, not copied. */
export interface InferRequest {
  readonly id: number;
  readonly input: Float32Array<ArrayBuffer>;
  readonly size: number;
}

/** From the thread: ready once, then one answer a request. */
export type ThreadMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'result'; readonly id: number; readonly output: Float32Array<ArrayBuffer> }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string };

export type ThreadData = RuntimeSpec;
