import { readFile } from 'node:fs/promises';
import { fromRoot } from './root.ts';

/** The pictures that the project ships, each with the label that ResNet-50 gives it. */
export const SAMPLES = {
  'traffic-light.jpg': 'traffic_light',
  'balloon.jpg': 'balloon',
  'crossword.jpg': 'crossword_puzzle',
  'pumpkin.jpg': "jack-o'-lantern",
} as const;

export type SampleName = keyof typeof SAMPLES;

export const SAMPLE_NAMES = Object.keys(SAMPLES) as SampleName[];

export const samplePath = (name: SampleName): string => fromRoot('models', 'resnet50', 'samples', name);
export const sample = (name: SampleName): Promise<Buffer> => readFile(samplePath(name));
