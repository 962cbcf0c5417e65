/** CloudFormation templates as data, and their intrinsic functions resolved as if deployed to one account. */

export const ACCOUNT = '111122223333';
export const REGION = 'us-east-1';

export interface CfnResource {
  readonly Type: string;
  readonly Properties: Readonly<Record<string, unknown>>;
  readonly DependsOn?: readonly string[];
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
  readonly Metadata?: Readonly<Record<string, unknown>>;
}

export interface CfnTemplate {
  readonly Resources: Readonly<Record<string, CfnResource>>;
  readonly Outputs: Readonly<Record<string, { readonly Value: unknown }>>;
}

const PSEUDO: Readonly<Record<string, string>> = {
  'AWS::AccountId': ACCOUNT,
  'AWS::Region': REGION,
  'AWS::Partition': 'aws',
  'AWS::URLSuffix': 'amazonaws.com',
  'AWS::StackName': 'ml-serverless',
};

/** What `Ref` or `GetAtt …Arn` gives for the types this stack grants rights on; others stand for themselves. */
const ARN: Readonly<
  Record<string, (logicalId: string, resource: CfnResource, template: CfnTemplate) => string>
> = {
  'AWS::S3::Bucket': (id, { Properties }, template) =>
    `arn:aws:s3:::${resolve(Properties.BucketName, template) ?? id}`,
  'AWS::SQS::Queue': (id) => `arn:aws:sqs:${REGION}:${ACCOUNT}:${id}`,
  'AWS::Logs::LogGroup': (id) => `arn:aws:logs:${REGION}:${ACCOUNT}:log-group:${id}:*`,
  'AWS::Batch::JobQueue': (id) => `arn:aws:batch:${REGION}:${ACCOUNT}:job-queue/${id}`,
  'AWS::SecretsManager::Secret': (id) => `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:${id}-AbCdEf`,
};

/**
 * A value of the template as the text it will be.
 *
 * @throws Error for an intrinsic function this stack has not used so far
 */
export function resolve(value: unknown, template: CfnTemplate): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const [[name, argument] = ['', undefined]] = Object.entries(value);
  if (name === 'Ref') return PSEUDO[String(argument)] ?? referTo(String(argument), template);
  if (name === 'Fn::GetAtt')
    return referTo(String((argument as string[])[0]), template, (argument as string[])[1]);
  if (name === 'Fn::Join') {
    const [separator, parts] = argument as [string, unknown[]];
    return parts.map((part) => resolve(part, template)).join(separator);
  }
  if (name === 'Fn::Sub' && typeof argument === 'string') {
    return argument.replace(/\$\{([^}]+)\}/g, (_, key: string) => PSEUDO[key] ?? referTo(key, template));
  }
  throw new Error(`cannot resolve ${JSON.stringify(value)}`);
}

function referTo(logicalId: string, template: CfnTemplate, attribute?: string): string {
  const resource = template.Resources[logicalId];
  if (!resource) throw new Error(`the template has no ${logicalId}`);
  const arn = ARN[resource.Type];
  // The Ref of a secret is its ARN; of a bucket, its name.
  if (arn && (attribute?.endsWith('Arn') || resource.Type === 'AWS::SecretsManager::Secret')) {
    return arn(logicalId, resource, template);
  }
  if (resource.Type === 'AWS::S3::Bucket') return resolve(resource.Properties.BucketName, template);
  return logicalId;
}

/** Every resource of a type, with its logical id. */
export function resourcesOf(
  template: CfnTemplate,
  type: string,
): readonly (CfnResource & { readonly id: string })[] {
  return Object.entries(template.Resources)
    .filter(([, resource]) => resource.Type === type)
    .map(([id, resource]) => ({ ...resource, id }));
}
