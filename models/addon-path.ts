/** Path of the native addon in tfjs-node's package: set-up builds it there, and engines load it. */
export const ADDON = 'lib/napi-v8/tfjs_binding.node';
