import { type Static, Type } from 'typebox';
import {
  type Architecture,
  PRICES,
  type SageMakerInstance,
} from '../../service/src/domain/estimate/prices.ts';
import { integer, oneOf } from './parameter-types.ts';

const INSTANCES = Object.keys(PRICES.sagemaker.instanceHour) as SageMakerInstance[];

/** The parameters of the optional SageMaker model, endpoint and transform jobs. */
export const sagemakerProperties = {
  sagemaker: oneOf(
    ['off', 'endpoint', 'batch-transform'],
    'off',
    'SageMaker with the same image; endpoint: an endpoint; batch-transform: a model, and the command that starts a job',
  ),
  sagemakerMode: oneOf(
    ['real-time', 'serverless'],
    'real-time',
    'sagemaker=endpoint; real-time: an instance, billed by the hour; serverless: free when idle',
  ),
  sagemakerInstance: Type.Optional(
    Type.Unsafe<SageMakerInstance>({
      type: 'string',
      enum: INSTANCES,
      description:
        'instance type of a real-time endpoint or of transform jobs; default: ml.c6i.large, or ml.c7g.large for architecture=arm64',
    }),
  ),
  sagemakerMemoryMb: oneOf(
    [1024, 2048, 3072, 4096, 5120, 6144],
    3072,
    'memory of a serverless endpoint in MB; vCPUs scale with it',
  ),
  sagemakerMaxConcurrency: integer(1, 200, 5, 'maximum concurrent requests of a serverless endpoint'),
  modelData: Type.Optional(
    Type.String({
      pattern: '^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^\\s*?$]+\\.tar\\.gz$',
      maxLength: 1024,
      description: 'model.tar.gz that SageMaker unpacks to /opt/ml/model; it replaces the model of the image',
    }),
  ),
};

const schema = Type.Object(sagemakerProperties);
export type SageMakerParameters = Readonly<Static<typeof schema>> & { readonly architecture: Architecture };

/** Families with arm64 CPUs have a g after their generation: c7g, but not c7i. */
const architectureOf = (instance: SageMakerInstance): Architecture =>
  /^ml\.[a-z]\dg/.test(instance) ? 'arm64' : 'x86_64';

/** The instance type of the endpoint or of transform jobs. */
export function instanceOf({ sagemakerInstance, architecture }: SageMakerParameters): SageMakerInstance {
  return sagemakerInstance ?? (architecture === 'arm64' ? 'ml.c7g.large' : 'ml.c6i.large');
}

/** An error message for a combination that SageMaker does not support; undefined if it is valid. */
export function sagemakerFault(parameters: SageMakerParameters): string | undefined {
  const { sagemaker, sagemakerMode, sagemakerInstance, architecture, modelData } = parameters;
  if (sagemaker === 'off') {
    const given =
      modelData !== undefined
        ? 'modelData'
        : sagemakerInstance !== undefined
          ? 'sagemakerInstance'
          : undefined;
    return given && `${given}: there is no SageMaker model; add -c sagemaker=endpoint or batch-transform`;
  }
  if (sagemakerMode === 'serverless' && sagemaker !== 'endpoint')
    return `sagemakerMode=serverless: an endpoint can be serverless, ${sagemaker} cannot`;
  const isServerless = sagemakerMode === 'serverless';
  if (isServerless && sagemakerInstance !== undefined)
    return `sagemakerInstance=${sagemakerInstance}: a serverless endpoint has no instance; use sagemakerMemoryMb`;
  if (architecture === 'arm64' && (isServerless || sagemaker === 'batch-transform')) {
    const what = isServerless ? 'serverless endpoints' : 'transform jobs';
    return `sagemaker=${sagemaker}: SageMaker runs ${what} on x86_64 only; omit -c architecture=arm64`;
  }
  const instance = instanceOf(parameters);
  if (!isServerless && architectureOf(instance) !== architecture) {
    const fitting = INSTANCES.filter((each) => architectureOf(each) === architecture);
    return `sagemakerInstance=${instance}: its CPUs are not ${architecture}, the architecture of the image; use one of ${fitting.join(', ')}`;
  }
  return undefined;
}
