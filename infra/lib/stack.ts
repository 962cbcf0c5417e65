import { join } from 'node:path';
import { AssetHashType, CfnOutput, DockerImage, Stack, type StackProps } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import { ApiFunction } from './api-function.ts';
import { ApiKey } from './api-key.ts';
import { BatchWorkers } from './batch-workers.ts';
import { addBudget } from './budget.ts';
import { bundleFunction } from './bundle.ts';
import { DropDispatch } from './drop-dispatch.ts';
import { PublicApi } from './http-api.ts';
import { Image } from './image.ts';
import { JobStart } from './job-start.ts';
import { Monitoring } from './monitoring.ts';
import { Network } from './network.ts';
import type { Parameters } from './parameters.ts';
import { repositoryRoot } from './repository-root.ts';
import { SageMaker } from './sagemaker.ts';
import { Store } from './store.ts';

export interface MlServerlessStackProps extends StackProps {
  readonly parameters: Parameters;
  /** The directory of docker/ and service/; default: this repository. */
  readonly root?: string;
  /** The code of dispatcher and starter; default: bundled from service/src/entrypoints. */
  readonly functionCode?: lambda.Code;
}

/** The stack's two flows: HTTP -> function, and bucket -> queue -> dispatcher -> workers -> bucket. */
export class MlServerlessStack extends Stack {
  constructor(scope: Construct, id: string, props: MlServerlessStackProps) {
    super(scope, id, {
      description: 'ml-serverless: image classification on Lambda and AWS Batch',
      ...props,
    });
    const { parameters, root = repositoryRoot() } = props;

    const network = new Network(this, 'Network', { parameters });
    const store = new Store(this, 'Store', { parameters });
    const image = new Image(this, 'Image', { root, parameters });
    const workers = new BatchWorkers(this, 'Workers', { parameters, image, network, store });
    const drops = new DropDispatch(this, 'Drop', {
      parameters,
      code: props.functionCode ?? bundled(root, 'dispatcher'),
      network,
      store,
      workers,
    });
    const starts = new JobStart(this, 'Start', {
      parameters,
      code: props.functionCode ?? bundled(root, 'starter'),
      network,
      store,
      workers,
      deadLetters: drops.deadLetters,
    });
    const apiKey = parameters.auth === 'key' ? new ApiKey(this, 'ApiKey') : undefined;
    const app = new ApiFunction(this, 'App', {
      parameters,
      image,
      network,
      store,
      workers,
      starts,
      apiKey,
    });
    const http = new PublicApi(this, 'Http', { parameters, handler: app.handler });
    store.allowUploadsFrom(http.api.apiEndpoint);
    new Monitoring(this, 'Monitoring', {
      parameters,
      stage: http.stage,
      api: app.handler,
      drops,
      starts,
      jobQueue: workers.queue,
    });
    addBudget(this, parameters);
    if (parameters.sagemaker !== 'off') new SageMaker(this, 'SageMaker', { parameters, image, store });

    // No trailing slash: "$httpAPIUrl/predict" is the address.
    this.output('httpAPIUrl', http.api.apiEndpoint, 'Address of the API');
    this.output(
      'bucketName',
      store.bucket.bucketName,
      'Drop images under input/, find results under output/',
    );
    this.output('jobQueueArn', workers.queue.jobQueueArn, 'AWS Batch job queue');
    if (apiKey) {
      this.output(
        'apiKeySecretArn',
        apiKey.secret.secretArn,
        'Secrets Manager secret that holds the API key',
      );
    }
  }

  private output(name: string, value: string, description: string): void {
    new CfnOutput(this, name, { value, description });
  }
}

/** esbuild bundles the function into cdk.out; the hash of its output names the asset. */
function bundled(root: string, name: 'dispatcher' | 'starter'): lambda.Code {
  const entry = join(root, 'service', 'src', 'entrypoints', `${name}.ts`);
  return lambda.Code.fromAsset(join(root, 'service', 'src'), {
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      // The CDK requires an image, but `local` bundles or throws.
      image: DockerImage.fromRegistry('unused'),
      local: {
        tryBundle: (folder: string) => bundleFunction({ entry, folder }) > 0,
      },
    },
  });
}
