/** Where tfjs-node's addon lies in its package: what is built, and what an engine loads. */
export const ADDON = 'lib/napi-v8/tfjs_binding.node';
