/**
 * Switches TensorFlow's oneDNN kernels on. TensorFlow does that itself only on CPUs with AVX-512 VNNI; on others they
 * are faster too, and compiled models need them. Must run in the main thread before any thread loads the addon: changes
 * of `process.env` in a worker thread do not reach the process environment. A user's own setting wins.
 */
export function enableOneDnn(environment: NodeJS.ProcessEnv = process.env): void {
  environment.TF_ENABLE_ONEDNN_OPTS ??= '1';
}
