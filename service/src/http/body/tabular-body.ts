import type { FastifyRequest } from 'fastify';
import { AppError } from '../../domain/errors.ts';
import type { Row, TabularModel, TabularPrediction } from '../../domain/tabular.ts';
import type { Services } from '../services.ts';

/** True for requests whose body is rows: text/csv, or JSON with `instances`. */
export function hasRows({ mediaType, body }: FastifyRequest): boolean {
  if (mediaType === 'text/csv') return true;
  return typeof body === 'object' && body !== null && !Buffer.isBuffer(body) && 'instances' in body;
}

/** The tabular model called `name`, or the default one. @throws AppError MODEL_NOT_FOUND, INVALID_REQUEST */
export function tabularModel({ models }: Services, name: string | undefined): TabularModel {
  if (models.tabular) return models.tabular(name);
  models.get(name);
  throw new AppError('INVALID_REQUEST', 'no model of this service takes rows; send an image');
}

/** Predicts for the rows of a request that `hasRows`. */
export async function predictRows(
  { body, headers }: FastifyRequest,
  model: TabularModel,
  signal: AbortSignal,
): Promise<TabularPrediction> {
  const rows = Buffer.isBuffer(body)
    ? model.readCsv(body.toString('utf8'), headers['content-type'])
    : (body as { readonly instances: readonly Row[] }).instances;
  return model.predict(rows, { signal });
}
