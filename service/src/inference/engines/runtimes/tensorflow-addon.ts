import { createRequire } from 'node:module';
import type { TFJSBinding } from '@tensorflow/tfjs-node/dist/tfjs_binding.js';
import { ADDON } from '../../../../../models/addon-path.ts';
import { tuneTensorFlow } from '../../../../../models/cpu.ts';

/** The addon cannot be loaded: TensorFlow is not installed, or does not fit this machine. */
export class AddonUnavailable extends Error {
  override readonly name = 'AddonUnavailable';
}

/**
 * Loads tfjs-node's native addon, and TensorFlow with it. A compiled model needs nothing else of tfjs-node, whose
 * JavaScript takes as long to load as TensorFlow itself.
 *
 * @throws AddonUnavailable
 */
export function loadAddon(): TFJSBinding {
  tuneTensorFlow();
  try {
    return createRequire(import.meta.url)(`@tensorflow/tfjs-node/${ADDON}`);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const isMissing = code === 'MODULE_NOT_FOUND';
    const reason = isMissing ? "tfjs-node's addon is missing; run `npm run setup` to build it" : message;
    throw new AddonUnavailable(reason, { cause });
  }
}
