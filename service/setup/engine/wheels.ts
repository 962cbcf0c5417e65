import { createHash } from 'node:crypto';
import type { PinnedFile } from '../sealed-folder.ts';

/** A Python wheel that holds libtensorflow for one platform, pinned by hash. */
export interface Wheel extends PinnedFile {
  /** Project on the Python package index. */
  readonly project: string;
  readonly version: string;
  /** Size of the two libraries in it, in bytes. */
  readonly unpackedBytes: number;
}

const VERSION = '2.15.1';

/** Source: https://pypi.org/simple/<project>/ (JSON). `path` is the wheel's file name. */
const WHEELS: Readonly<Record<string, Wheel>> = {
  'linux-x64': {
    project: 'tensorflow-cpu',
    version: VERSION,
    path: 'tensorflow_cpu-2.15.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
    bytes: 207_208_420,
    unpackedBytes: 613_776_168,
    sha256: '54660c074d7241a503e81edfd9f5ef5af88f64051b72e2945f26318c790f2d26',
  },
  'linux-arm64': {
    project: 'tensorflow-cpu-aws',
    version: VERSION,
    path: 'tensorflow_cpu_aws-2.15.1-cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64.whl',
    bytes: 211_874_120,
    unpackedBytes: 694_256_568,
    sha256: 'd4c3a3a9363bf42999adedbbd514e3a133be2d62f61fee9cfa46aaefb087c09e',
  },
  // Needs macOS 12. Untested: see docs/docker.md.
  'darwin-arm64': {
    project: 'tensorflow',
    version: VERSION,
    path: 'tensorflow-2.15.1-cp311-cp311-macosx_12_0_arm64.whl',
    bytes: 205_736_374,
    unpackedBytes: 602_678_636,
    sha256: 'aa926114d1e13ffe5b2ea59c3f195216f26646d7fe36e9e5207b291e4b7902ff',
  },
};

/** The wheel for a platform; undefined if there is none. */
export function wheelFor(platform: string, arch: string): Wheel | undefined {
  return WHEELS[`${platform}-${arch}`];
}

/** Raise it when the build changes, so that engines of the old build are not used. */
const RECIPE = 1;

/** Name of the directory of a finished engine: differs with everything that the engine depends on. */
export function engineKey(parts: {
  readonly platform: string;
  readonly arch: string;
  readonly addonVersion: string;
  /** SHA-256 of the wheel. */
  readonly origin: string;
}): string {
  const { platform, arch, addonVersion, origin } = parts;
  const hash = createHash('sha256').update(JSON.stringify([RECIPE, platform, arch, addonVersion, origin]));
  return `${platform}-${arch}-${hash.digest('hex').slice(0, 16)}`;
}
