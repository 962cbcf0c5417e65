import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toAppError } from '../../src/storage/s3/errors.ts';

test('no role ARN and no account number of S3 reaches a client', () => {
  const name = 'InvalidIdentityToken';
  const message = 'arn:aws:iam::123456789012:role/app of 123456789012 may not be assumed';
  const error = toAppError(Object.assign(new Error(message), { name }), 'write', 'jobs/x') as Error;
  assert.equal(
    error.message,
    'the object store cannot be used: InvalidIdentityToken: <arn> of <account> may not be assumed',
  );
  assert.equal((error.cause as Error).message, message, 'the log has it');
});
