import type { Models } from '../../src/domain/classifier.ts';
import { openResNet } from './resnet.ts';

/** The real ResNet-50 on the engine that is installed, or why it cannot run here. */
export type RealModels =
  | { readonly models: Models; readonly missing: false }
  | { readonly models: undefined; readonly missing: string };

/** As openResNet, for tests that are skipped where the model cannot be opened. */
export async function openRealModels(): Promise<RealModels> {
  try {
    return { models: await openResNet(), missing: false };
  } catch (error) {
    return {
      models: undefined,
      missing: `needs the model, which npm start sets up: ${(error as Error).message}`,
    };
  }
}
