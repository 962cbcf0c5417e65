import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { AppError } from '../domain/errors.ts';

/**
 * Reads a text secret from AWS Secrets Manager.
 *
 * @param arn the secret's ARN or name
 * @throws AppError INVALID_CONFIGURATION if it cannot be read or is empty; the message has the secret's name, never its value
 */
export async function readSecret(arn: string, endpoint?: string): Promise<string> {
  const client = new SecretsManagerClient(endpoint === undefined ? {} : { endpoint });
  try {
    const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: arn }));
    if (SecretString) return SecretString;
    throw new AppError('INVALID_CONFIGURATION', `the secret ${arn} is empty`);
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError(
      'INVALID_CONFIGURATION',
      `cannot read the secret ${arn}: ${(error as Error).name}`,
      {},
      { cause: error },
    );
  } finally {
    client.destroy();
  }
}
