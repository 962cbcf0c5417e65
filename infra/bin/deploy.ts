import { STACK_NAME } from '../lib/app.ts';
import { checkTarget } from '../lib/checks.ts';
import { main, parseCommandLine, USAGE } from '../lib/command-line.ts';
import { describeCosts } from '../lib/cost.ts';
import type { Parameters } from '../lib/parameters.ts';
import { runCdk } from '../lib/run.ts';
import { instanceOf } from '../lib/sagemaker-parameters.ts';

// Lambda rejects images with a provenance manifest. The CDK sets this for its own builds; this covers wrappers of Docker.
process.env.BUILDX_NO_DEFAULT_ATTESTATIONS = '1';

/** A line about SageMaker resources; empty if there are none. */
function sagemakerLine(parameters: Parameters): string {
  const { sagemaker, sagemakerMode, sagemakerMemoryMb } = parameters;
  if (sagemaker === 'off') return '';
  if (sagemaker === 'batch-transform')
    return `  SageMaker model for transform jobs on ${instanceOf(parameters)}\n`;
  const size = sagemakerMode === 'serverless' ? `${sagemakerMemoryMb} MB` : instanceOf(parameters);
  return `  SageMaker ${sagemakerMode} endpoint, ${size}\n`;
}

await main(async (args) => {
  const { parameters, context, profile, yes, help } = parseCommandLine(args);
  if (help) {
    console.log(USAGE);
    return 0;
  }
  const { account, identity, region, notes } = checkTarget({
    profile,
    needsDocker: !parameters.imageUri,
    needsBootstrap: true,
  });
  for (const note of notes) console.log(note);
  const where = account ? ` in account ${account}${region ? `, ${region},` : ''} as ${identity}` : '';
  console.log(`Stack ${STACK_NAME}${where}:
  HTTP API (auth=${parameters.auth}) -> Lambda, ${parameters.lambdaMemoryMb} MB, ${parameters.architecture}
  S3 bucket -> queue -> dispatcher -> AWS Batch on Fargate${parameters.spot ? ' Spot' : ''}, ${parameters.taskVcpu} vCPU a task, at most ${parameters.maxVcpus}
${sagemakerLine(parameters)}  ${parameters.network} network, logs for ${parameters.logRetentionDays} days, the bucket ${parameters.retainData ? 'stays' : 'goes'} on destroy
${describeCosts(parameters)}
`);
  return runCdk([
    'deploy',
    STACK_NAME,
    ...context.flatMap((pair) => ['-c', pair]),
    ...(profile ? ['--profile', profile] : []),
    ...(yes ? ['--require-approval', 'never'] : []),
  ]);
});
