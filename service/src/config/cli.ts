import { type Static, Type } from 'typebox';
import { parseEnvironment } from './parse.ts';
import { optionalString } from './setting-types.ts';
import { configSchema } from './settings.ts';

const cliSchema = Type.Object({
  PORT: configSchema.properties.PORT,
  ML_SERVERLESS_URL: Type.Optional(
    Type.String({
      pattern: '^https?://[^/?#@\\s]+(/[^?#\\s]*)?$',
      description: 'address of the service for the command line; default: http://localhost:$PORT',
    }),
  ),
  ML_SERVERLESS_API_KEY: optionalString('API key that the command line sends'),
  NO_COLOR: optionalString('any value: no colours'),
  // npm sets these two for `npm run <script>`: the script's name and the user's working directory.
  npm_lifecycle_event: optionalString('set by npm'),
  INIT_CWD: optionalString('set by npm'),
});

/** The settings of the command line. */
export type CliConfig = Readonly<Static<typeof cliSchema>>;

/**
 * Parses and checks the command line's own variables.
 *
 * @throws AppError INVALID_CONFIGURATION with one line that names the variable
 */
export function loadCliConfig(environment: NodeJS.ProcessEnv = process.env): CliConfig {
  return parseEnvironment(cliSchema, environment);
}
