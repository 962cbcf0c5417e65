import { pino } from 'pino';
import { loadConfig, quietTensorFlow } from '../../config/config.ts';
import { isAppError } from '../../domain/errors.ts';
import type { Classification } from '../../domain/prediction.ts';
import { type Context, clientOf, isServiceNamed, type ServiceOptions } from '../context.ts';
import { isNoService } from '../failure.ts';
import { startProgress } from '../ui/progress.ts';
import type { ServiceClient } from './service-client.ts';
import { needsUpload, readLimits, type ServiceLimits, uploadImage } from './uploads.ts';

/** Until a service on this machine must answer, in milliseconds. */
const PROBE_TIMEOUT_MS = 5000;
/** Every platform accepts an image of this size in a request, in bytes. */
const SMALL_BYTES = 4_000_000;

/** Classifies one image, in the service or in this process. */
export interface Predictor {
  /** @throws CommandError or AppError */
  classify(image: Uint8Array<ArrayBuffer>, topK: number): Promise<Classification>;
  close(): Promise<void>;
}

interface PredictorOptions extends ServiceOptions {
  readonly model?: string;
  readonly local?: boolean;
}

/** Uses the service; with --local, or if the user named none and none runs, loads the model into this process. */
export async function createPredictor(context: Context, options: PredictorOptions): Promise<Predictor> {
  if (options.local) return loadPredictor(context, options.model);
  const client = clientOf(context, options, 'or add --local');
  if (isServiceNamed(context, options)) return createRemotePredictor(client, options.model);
  try {
    await client.json('/health/live', 'status', { timeout: PROBE_TIMEOUT_MS });
  } catch (error) {
    if (!isNoService(error)) throw error;
    context.terminal.err(`no service at ${client.url}; classifying in this process\n`);
    return loadPredictor(context, options.model);
  }
  return createRemotePredictor(client, options.model);
}

function createRemotePredictor(client: ServiceClient, model: string | undefined): Predictor {
  let limits: Promise<ServiceLimits> | undefined;
  const bodyOf = async (image: Uint8Array<ArrayBuffer>) => {
    const body = { headers: { 'content-type': 'application/octet-stream' }, body: image };
    if (image.length <= SMALL_BYTES) return body;
    limits ??= readLimits(client);
    const { imageBytes, uploadBytes } = await limits;
    if (!needsUpload(image.length, imageBytes, uploadBytes)) return body;
    return { json: { object: await uploadImage(client, image) } };
  };
  return {
    classify: async (image, topK) =>
      client.json<Classification>('/predict', 'predictions', {
        method: 'POST',
        searchParams: { topK, model },
        ...(await bodyOf(image)),
      }),
    close: async () => {},
  };
}

/** Loads the model as the environment (MODEL, ENGINE, PRECISION …) says. */
async function loadPredictor(context: Context, model: string | undefined): Promise<Predictor> {
  const config = loadConfig();
  quietTensorFlow();
  const progress = startProgress(context.terminal, { doing: 'loading the model', total: 0, unit: 'images' });
  // Engine and decoder load slowly: only if they are needed.
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
