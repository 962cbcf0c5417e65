import type { Models } from '../../src/domain/classifier.ts';
import { openResNet } from './resnet.ts';

/** ResNet-50 on the installed engine, or why it cannot run. */
export type RealModels =
  | { readonly models: Models; readonly missing: false }
  | { readonly models: undefined; readonly missing: string };

/** Like openResNet, for tests that are skipped if the model cannot be loaded. */
export async function openRealModels(): Promise<RealModels> {
  try {
    return { models: await openResNet(), missing: false };
  } catch (error) {
    return {
      models: undefined,
      missing: `needs the model, which npm start installs: ${(error as Error).message}`,
    };
  }
}
