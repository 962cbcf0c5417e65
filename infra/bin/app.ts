import { AppError } from '../../service/src/domain/errors.ts';
import { buildApp } from '../lib/app.ts';

// The app that `cdk` runs (infra/cdk.json).
try {
  buildApp().synth();
} catch (error) {
  if (!(error instanceof AppError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
