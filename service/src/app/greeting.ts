import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import colors from 'picocolors';
import { configSchema } from '../config/settings.ts';
import type { ModelInfo } from '../domain/classifier.ts';
import type { TabularModelInfo } from '../domain/tabular.ts';

/** The text of `--help`: every environment variable with its default. */
export function helpText(): string {
  const lines = Object.entries(configSchema.properties).map(([name, property]) => {
    const setting = property as { default?: unknown; description?: string; enum?: readonly string[] };
    const values = setting.enum ? ` (${setting.enum.join(', ')})` : '';
    const shown = setting.default === undefined ? name : `${name}=${setting.default}`;
    return `  ${shown.padEnd(26)} ${setting.description ?? ''}${values}`;
  });
  return [
    'Usage: [NAME=value ...] npm start',
    '',
    'Serves the model over HTTP. Options are environment variables, shown with their defaults:',
    '',
    ...lines,
    '',
    'Example: PORT=9000 PRECISION=float32 npm start',
    '',
  ].join('\n');
}

/** Relative path of the first sample image of the model, or a placeholder. */
export function samplePicture(modelsFolder: string, model: string): string {
  const folder = join(modelsFolder, model, 'samples');
  const names = existsSync(folder) ? readdirSync(folder).sort() : [];
  const name = names.find((candidate) => /\.(jpe?g|png)$/i.test(candidate));
  return name === undefined ? 'picture.jpg' : relative(process.cwd(), join(folder, name));
}

/** The greeting on a terminal once the service is ready. */
export function greeting(url: string, model: ModelInfo | TabularModelInfo, picture: string): string {
  const row = (name: string, value: string) => `  ${colors.dim(name.padEnd(8))}${value}`;
  const path = /^[\w./-]+$/.test(picture) ? picture : `'${picture.replaceAll("'", `'\\''`)}'`;
  return [
    '',
    `  ${colors.green('●')} ${colors.bold('ml-serverless')} is ready at ${colors.cyan(colors.underline(url))}`,
    '',
    row('model', `${model.name} ${colors.dim(model.version)}`),
    row('engine', `${model.engine}, ${model.precision}`),
    ...(model.degraded === undefined ? [] : [row('slow', colors.yellow(model.degraded))]),
    row('docs', `${url}/docs`),
    '',
    `  ${colors.dim('Try it:')}`,
    'features' in model.input
      ? `  curl ${url}/models   ${colors.dim('# its features; then POST rows to /predict as text/csv')}`
      : `  curl -F image=@${path} ${url}/predict`,
    '',
    `  ${colors.dim('Ctrl-C ends it.')}`,
    '',
    '',
  ].join('\n');
}
