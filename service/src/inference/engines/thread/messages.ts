import type { ErrorCode } from '../../../domain/errors.ts';
import type { ActivationMap, EngineInput } from '../engine.ts';

/** To the thread; `input` is transferred, not copied. */
export type ThreadRequest = { readonly id: number; readonly input: EngineInput } & (
  | { readonly kind: 'infer'; readonly size: number }
  | { readonly kind: 'explain'; readonly index: number | undefined }
);

/** The result of each kind of request. */
export type ThreadResult = Float32Array<ArrayBuffer> | ActivationMap;

/** From the thread: `ready` or `refused` once, then one `result` or `failed` per request. */
export type ThreadMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'refused'; readonly message: string; readonly noAddon: boolean }
  | {
      readonly kind: 'result';
      readonly id: number;
      readonly output: ThreadResult;
      /** The request's input, transferred back for reuse. */
      readonly input: ArrayBuffer;
    }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string; readonly code?: ErrorCode };
