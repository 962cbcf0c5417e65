/** The addon cannot be loaded: TensorFlow is not installed, or does not fit this machine. */
export class AddonUnavailable extends Error {
  override readonly name = 'AddonUnavailable';
}
