import { AppError } from '../../service/src/domain/errors.ts';
import { STACK_NAME } from '../lib/app.ts';
import { checkTarget, keepsData } from '../lib/checks.ts';
import { main, parseCommandLine, USAGE } from '../lib/command-line.ts';
import { runCdk } from '../lib/run.ts';

await main(async (args) => {
  const { parameters, context, profile, yes, help } = parseCommandLine(args);
  if (help) {
    console.log(USAGE);
    return 0;
  }
  const { account, notes } = checkTarget({ profile, needsDocker: false, needsBootstrap: false });
  for (const note of notes) console.log(note);
  const keeps = keepsData(STACK_NAME, profile);
  if (parameters.retainData && !keeps) {
    throw new AppError(
      'INVALID_CONFIGURATION',
      keeps === false
        ? 'the stack was deployed without retainData: run "npm run deploy -- -c retainData=true" first, or the bucket is deleted with it'
        : 'cannot find out whether the deployed stack keeps its bucket: check the DeletionPolicy of its bucket, then omit retainData',
    );
  }
  console.log(
    keeps
      ? 'The bucket and its objects stay, and S3 bills them. Everything else is deleted.'
      : 'Everything is deleted: API, functions, queues, key, logs, and the bucket with all its objects.',
  );
  const status = await runCdk([
    'destroy',
    STACK_NAME,
    ...context.flatMap((pair) => ['-c', pair]),
    ...(profile ? ['--profile', profile] : []),
    ...(yes ? ['--force'] : []),
  ]);
  if (status === 0) {
    console.log(
      `Still in ${account ? `account ${account}` : 'the account'}: the CDK's bootstrap stack, which all CDK apps share, and this image in its repository.` +
        '\nTo delete images that no stack uses: (cd infra && npx cdk gc --unstable=gc --type=ecr)',
    );
  }
  return status;
});
