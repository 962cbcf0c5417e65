import { pino } from 'pino';
import { loadConfig, quietTensorFlow } from '../../config/config.ts';
import { isAppError } from '../../domain/errors.ts';
import type { Classification } from '../../domain/prediction.ts';
import { type Context, clientOf, type ServiceOptions } from '../context.ts';
import { startProgress } from '../ui/progress.ts';

/** Classifies one image, wherever the model is. */
export interface Predictor {
  /** @throws CommandError or AppError */
  classify(image: Uint8Array<ArrayBuffer>, topK: number): Promise<Classification>;
  close(): Promise<void>;
}

/** Asks the service. */
export function openRemote(
  context: Context,
  options: ServiceOptions & { readonly model?: string },
): Predictor {
  const url = options.url ?? context.config.ML_SERVERLESS_URL;
  const hint = /\/\/(localhost|127\.|\[::1\])/.test(url)
    ? 'start it with: npm start, or add --local to do without it'
    : undefined;
  const client = clientOf(context, options, hint);
  return {
    classify(image, topK) {
      const query = new URLSearchParams({
        topK: String(topK),
        ...(options.model ? { model: options.model } : {}),
      });
      return client.json<Classification>(`/predict?${query}`, 'predictions', {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream' },
        body: () => image,
      });
    },
    close: async () => {},
  };
}

/** Loads the model into this process, as the environment (MODEL, ENGINE, PRECISION …) says. */
export async function openLocal(context: Context, model?: string): Promise<Predictor> {
  const config = loadConfig();
  quietTensorFlow();
  const progress = startProgress(context.terminal, { doing: 'loading the model', total: 0, unit: 'images' });
  // Engine and decoder take a while to load: only for those who ask for them.
  const { createModels } = await import('../../inference/models.ts');
  const named = model === undefined ? {} : { MODEL: model, models: [model] };
  const models = await createModels({ ...config, ...named }, pino({ level: 'silent' }));
  try {
    await models.loaded;
  } catch (error) {
    await models.close();
    throw error;
  } finally {
    progress.stop();
  }
  const classifier = models.get();
  return {
    classify: (image, topK) =>
      classifier.classify(image, { topK, signal: context.signal }).catch((error: unknown) => {
        throw isAppError(error, 'REQUEST_CANCELLED') && context.signal.aborted
          ? context.signal.reason
          : error;
      }),
    close: () => models.close(),
  };
}
