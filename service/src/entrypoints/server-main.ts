import type { AddressInfo } from 'node:net';
import { greeting, helpText, samplePicture } from '../app/greeting.ts';
import { createServices } from '../app/services.ts';
import { onShutdown } from '../app/shutdown.ts';
import { type Config, loadConfig, loadServeConfig } from '../config/config.ts';
import { AppError } from '../domain/errors.ts';
import { buildApp } from '../http/app.ts';
import { dropWarmThread } from '../inference/engines/thread/start.ts';

/**
 * Listens on HOST and PORT until SIGTERM or SIGINT; prints a greeting once the model is ready.
 *
 * @param isPlatform true if a platform (SageMaker) controls access to the port
 */
async function serve(config: Config, { isPlatform = false } = {}): Promise<void> {
  const services = await createServices(config);
  const { logger, models } = services;
  if (!isPlatform && !config.isLoopback && services.config.API_KEYS.length === 0)
    logger.warn(openDoor(config));
  const app = await buildApp(services);
  onShutdown(logger, async () => {
    await app.close();
    await dropWarmThread();
  });
  await app.listen({ host: config.HOST, port: config.PORT }).catch((error: NodeJS.ErrnoException) => {
    throw new AppError('INVALID_CONFIGURATION', listenFailure(error, config), {}, { cause: error });
  });
  await services.startBackground();
  await models.loaded;
  if (app.lifecycle.closing) return;
  // The default model is the first to be loaded.
  const [info] = models.list();
  if (!info) return;
  const { port } = app.server.address() as AddressInfo;
  const host = ['0.0.0.0', '::', '127.0.0.1', '::1'].includes(config.HOST) ? 'localhost' : config.HOST;
  const url = `http://${host}:${port}`;
  if (process.stdout.isTTY) {
    process.stdout.write(greeting(url, info, samplePicture(config.modelsDir, info.name)));
  } else {
    const { name, version, engine, precision, degraded } = info;
    logger.info({ url, model: name, version, engine, precision, degraded }, 'ready');
  }
}

const openDoor = ({ HOST }: Config) =>
  `listening on ${HOST} without API keys: anyone who can reach this port can use the service; set API_KEYS`;

function listenFailure({ code, message }: NodeJS.ErrnoException, { HOST, PORT }: Config): string {
  if (code === 'EADDRINUSE') return `port ${PORT} is in use; stop the other program or set another PORT`;
  if (code === 'EACCES') return `permission denied for port ${PORT}; set PORT to a number above 1023`;
  return `cannot listen on HOST=${HOST} PORT=${PORT}: ${message}`;
}

async function fail(message: string): Promise<never> {
  process.stderr.write(`ml-serverless: ${message.split('\n', 1)[0]}\n`);
  await dropWarmThread();
  process.exit(1);
}

const [argument] = process.argv.slice(2);
try {
  if (argument === '--help' || argument === '-h') process.stdout.write(helpText());
  // SageMaker starts a container with this argument.
  else if (argument === 'serve') await serve(loadServeConfig(), { isPlatform: true });
  else if (argument !== undefined) await fail(`unknown option ${argument}; --help lists the options`);
  else await serve(loadConfig());
} catch (error) {
  await fail((error as Error).message);
}
