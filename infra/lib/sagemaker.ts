import { Aws, CfnOutput, Stack } from 'aws-cdk-lib';
import * as sagemaker from 'aws-cdk-lib/aws-sagemaker';
import { Construct } from 'constructs';
import type { Image } from './image.ts';
import { createLogGroup } from './log-group.ts';
import type { Parameters } from './parameters.ts';
import { instanceOf } from './sagemaker-parameters.ts';
import { createSageMakerRole } from './sagemaker-role.ts';
import type { Store } from './store.ts';

export interface SageMakerProps {
  readonly parameters: Parameters;
  readonly image: Image;
  readonly store: Store;
}

/** Prefixes of transform jobs. Not input/: files there start a Batch job. */
const TRANSFORM_INPUT = 'transform/input/';
const TRANSFORM_OUTPUT = 'transform/output/';

/**
 * The image as a SageMaker model (SageMaker passes the argument `serve`), behind an endpoint or for batch transform, whose
 * jobs a command starts. Only with `-c sagemaker=`.
 */
export class SageMaker extends Construct {
  private readonly model: sagemaker.CfnModel;
  private readonly parameters: Parameters;
  private readonly bucketName: string;

  constructor(scope: Construct, id: string, { parameters, image, store }: SageMakerProps) {
    super(scope, id);
    this.parameters = parameters;
    this.bucketName = store.bucket.bucketName;
    const isTransform = parameters.sagemaker === 'batch-transform';
    const isServerless = !isTransform && parameters.sagemakerMode === 'serverless';
    // SageMaker writes to these log groups only.
    const logGroupName = isTransform
      ? '/aws/sagemaker/TransformJobs'
      : `/aws/sagemaker/Endpoints/${Aws.STACK_NAME}`;
    const role = createSageMakerRole(this, 'Role', { parameters, image, logGroupName });
    if (isTransform)
      store.grantUse(role, { read: ['input/*', 'transform/*'], write: [`${TRANSFORM_OUTPUT}*`] });

    this.model = new sagemaker.CfnModel(this, 'Model', {
      executionRoleArn: role.roleArn,
      primaryContainer: {
        image: image.repository.repositoryUriForTagOrDigest(image.tagOrDigest),
        ...(parameters.modelData ? { modelDataUrl: parameters.modelData } : {}),
      },
      // Everything that it serves is in the image or unpacked beside it. Serverless endpoints do not support isolation.
      enableNetworkIsolation: !isServerless,
    });
    // SageMaker uses the role as soon as the model is created.
    this.model.node.addDependency(role);

    if (isTransform) this.printTransformCommands();
    else this.addEndpoint(isServerless, logGroupName);
  }

  private addEndpoint(isServerless: boolean, logGroupName: string): void {
    const { parameters, model } = this;
    const variant = { variantName: 'all', modelName: model.attrModelName, initialVariantWeight: 1 };
    // No name: a new image creates a new configuration, to which the endpoint switches without downtime.
    const configuration = new sagemaker.CfnEndpointConfig(this, 'Configuration', {
      productionVariants: [
        isServerless
          ? {
              ...variant,
              serverlessConfig: {
                memorySizeInMb: parameters.sagemakerMemoryMb,
                maxConcurrency: parameters.sagemakerMaxConcurrency,
              },
            }
          : { ...variant, instanceType: instanceOf(parameters), initialInstanceCount: 1 },
      ],
    });
    const endpoint = new sagemaker.CfnEndpoint(this, 'Endpoint', {
      endpointName: Aws.STACK_NAME,
      endpointConfigName: configuration.attrEndpointConfigName,
    });
    endpoint.node.addDependency(createLogGroup(this, 'Logs', parameters, logGroupName));
    this.output(
      'sagemakerEndpointName',
      endpoint.attrEndpointName,
      'aws sagemaker-runtime invoke-endpoint --endpoint-name …',
    );
  }

  /** A command starts transform jobs on a prefix, so there is nothing to deploy. */
  private printTransformCommands(): void {
    const at = (prefix: string) => `s3://${this.bucketName}/${prefix}`;
    const command = (
      contentType: string,
      splitType: string,
      batchStrategy: string,
      assembleWith: string,
      accept: string,
    ) =>
      [
        `aws sagemaker create-transform-job --region ${Aws.REGION}`,
        `--transform-job-name ${Aws.STACK_NAME}-$(date +%s) --model-name ${this.model.attrModelName}`,
        `--transform-input 'DataSource={S3DataSource={S3DataType=S3Prefix,S3Uri=${at(TRANSFORM_INPUT)}}},ContentType=${contentType},SplitType=${splitType}'`,
        `--transform-output 'S3OutputPath=${at(TRANSFORM_OUTPUT)},Accept=${accept},AssembleWith=${assembleWith}'`,
        `--batch-strategy ${batchStrategy} --transform-resources InstanceType=${instanceOf(this.parameters)},InstanceCount=1`,
      ].join(' ');
    this.output(
      'transformImagesCommand',
      command('application/x-image', 'None', 'SingleRecord', 'None', 'application/json'),
      `Classifies the images under ${TRANSFORM_INPUT} into ${TRANSFORM_OUTPUT}`,
    );
    this.output(
      'transformRowsCommand',
      command('text/csv', 'Line', 'MultiRecord', 'Line', 'text/csv'),
      `The same for CSV files without a header, with a model of rows (-c modelData=…)`,
    );
  }

  private output(name: string, value: string, description: string): void {
    new CfnOutput(Stack.of(this), name, { value, description });
  }
}
