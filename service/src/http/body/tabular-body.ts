import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../domain/errors.ts';
import type { Row, TabularModel, TabularPrediction } from '../../domain/tabular.ts';
import type { App } from '../app-type.ts';
import { within } from '../runtime/deadline.ts';
import type { Services } from '../services.ts';

/** The media type of a request without its parameters, in lower case; '' when it names none. */
export const mediaTypeOf = ({ headers }: FastifyRequest): string =>
  (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';

/** True for requests whose body is rows: text/csv, or JSON with `instances`. */
export function hasRows(request: FastifyRequest): boolean {
  if (mediaTypeOf(request) === 'text/csv') return true;
  const { body } = request;
  return typeof body === 'object' && body !== null && !Buffer.isBuffer(body) && 'instances' in body;
}

/** The tabular model called `name`, or the default one. @throws AppError MODEL_NOT_FOUND, INVALID_REQUEST */
export function tabularModel({ models }: Services, name: string | undefined): TabularModel {
  if (models.tabular) return models.tabular(name);
  models.get(name);
  throw new AppError('INVALID_REQUEST', 'there is no model here that takes rows; send an image');
}

/** Predicts for the rows of a request that `hasRows`, in bounded time, and counts the result. */
export async function predictRows(
  request: FastifyRequest,
  reply: FastifyReply,
  model: TabularModel,
  app: App,
): Promise<TabularPrediction> {
  const { body } = request;
  const rows = Buffer.isBuffer(body)
    ? model.readCsv(body.toString('utf8'), request.headers['content-type'])
    : (body as { readonly instances: readonly Row[] }).instances;
  return within(reply, async (signal) => {
    const prediction = await model.predict(rows, { signal });
    app.metrics.observe(prediction);
    return prediction;
  });
}
