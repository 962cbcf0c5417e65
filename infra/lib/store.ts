import { ArnFormat, Aws, type CfnResource, Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { UPLOAD_DAYS, UPLOADS_PREFIX } from '../../service/src/domain/keys.ts';
import { createLogGroup } from './log-group.ts';
import type { Parameters } from './parameters.ts';

export interface StoreProps {
  readonly parameters: Pick<Parameters, 'retainData' | 'jobRetentionDays' | 'logRetentionDays'>;
}

/** Key patterns, such as `input/*`. */
export interface StoreRights {
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly remove?: readonly string[];
  /** Streams use multipart uploads; a failed one is aborted. */
  readonly abortUploads?: readonly string[];
}

/** The bucket, which is the only database: input/, output/, jobs/ and uploads/. Encrypted, TLS only, not public. */
export class Store extends Construct {
  readonly bucket: s3.Bucket;

  constructor(scope: Construct, id: string, { parameters }: StoreProps) {
    super(scope, id);
    const keep = parameters.retainData;
    this.bucket = new s3.Bucket(this, 'Bucket', {
      bucketName: Store.bucketName,
      encryption: s3.BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      removalPolicy: keep ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
      autoDeleteObjects: !keep,
      lifecycleRules: [
        { id: 'forget-old-jobs', prefix: 'jobs/', expiration: Duration.days(parameters.jobRetentionDays) },
        { id: 'forget-uploads', prefix: UPLOADS_PREFIX, expiration: Duration.days(UPLOAD_DAYS) },
        { id: 'drop-unfinished-uploads', abortIncompleteMultipartUploadAfter: Duration.days(1) },
      ],
    });
    const noAccessLog =
      'Server access logs would need a second bucket, billed and never emptied by itself. Every caller is a role of this stack; who needs an audit trail of objects turns on CloudTrail data events for the account.';
    Validations.of(this.bucket).acknowledge(
      { id: 'AwsSolutions-S1', reason: noAccessLog },
      { id: 'cdk-validator-cfnguard::s3_bucket_logging_enabled_check', reason: noAccessLog },
      {
        id: 'cdk-validator-cfnguard::s3_bucket_default_encryption_kms_check',
        reason:
          'Encrypted with keys of S3; a KMS key would bill each request for a right the bucket policy gives already.',
      },
      {
        id: 'cdk-validator-cfnguard::s3_bucket_versioning_enabled_check',
        reason: 'A repeated result is identical, and old versions would be billed until they are deleted.',
      },
      {
        id: 'cdk-validator-cfnguard::s3_bucket_object_lock_enabled_check',
        reason: 'Locked objects could not be deleted, neither by their owner nor by cdk destroy.',
      },
    );
    if (!keep) this.ownTheEmptiersLogs(parameters);
  }

  /** A fixed name, for documented commands: `aws s3 cp cat.jpg s3://ml-serverless-bucket-<account>-<region>/input/`. */
  static get bucketName(): string {
    return `ml-serverless-bucket-${Aws.ACCOUNT_ID}-${Aws.REGION}`;
  }

  /** Known before the bucket exists, so that the queue's policy can be created first. */
  bucketArn(): string {
    return Stack.of(this).formatArn({
      service: 's3',
      region: '',
      account: '',
      resource: Store.bucketName,
      arnFormat: ArnFormat.NO_RESOURCE_NAME,
    });
  }

  /**
   * Sends `ObjectCreated` events under input/ to a queue. A property of the bucket needs neither an EventBridge rule nor a
   * custom resource with rights on every bucket. The queue's policy must exist first: S3 sends a test message.
   */
  notifyDrops(queueArn: string, queuePolicy: CfnResource): void {
    const resource = this.bucket.node.defaultChild as s3.CfnBucket;
    resource.notificationConfiguration = {
      queueConfigurations: [
        {
          event: 's3:ObjectCreated:*',
          queue: queueArn,
          filter: { s3Key: { rules: [{ name: 'prefix', value: 'input/' }] } },
        },
      ],
    };
    resource.addResourceDependency(queuePolicy);
  }

  /** Lets the page of `origin` send images to presigned URLs. */
  allowUploadsFrom(origin: string): void {
    this.bucket.addCorsRule({
      allowedOrigins: [origin],
      allowedMethods: [s3.HttpMethods.PUT],
      allowedHeaders: ['content-type', 'if-none-match'],
      maxAge: 3600,
    });
  }

  /**
   * The application's rights in the store, as statements for a role: each right for its own prefixes.
   *
   * ListBucket has no prefix condition on purpose: without an unconditional right, S3 answers 403 instead of 404 for a
   * missing object, and workers need the 404 to know which chunks are left.
   */
  grantUse(role: iam.IRole, rights: StoreRights): void {
    const allow = (actions: string[], resources: string[]) => {
      if (resources.length > 0) role.addToPrincipalPolicy(new iam.PolicyStatement({ actions, resources }));
    };
    const under = (prefixes: readonly string[] = []) =>
      prefixes.map((prefix) => this.bucket.arnForObjects(prefix));
    allow(['s3:GetObject'], under(rights.read));
    allow(['s3:PutObject'], under(rights.write));
    allow(['s3:DeleteObject'], under(rights.remove));
    allow(['s3:AbortMultipartUpload'], under(rights.abortUploads));
    allow(['s3:ListBucket'], [this.bucket.bucketArn]);
    const arn = `<${Stack.of(this).getLogicalId(this.bucket.node.defaultChild as CfnResource)}.Arn>`;
    for (const prefix of new Set(Object.values(rights).flat())) {
      Validations.of(role).acknowledge({
        id: `AwsSolutions-IAM5[Resource::${arn}/${prefix}]`,
        reason: `Objects are made as people drop pictures and submit jobs: ${prefix} is as narrow as a right on them can be.`,
      });
    }
  }

  /** The function that empties the bucket on destroy logs to a group of this stack, which is deleted with it. */
  private ownTheEmptiersLogs(parameters: Pick<Parameters, 'logRetentionDays'>): void {
    const provider = Stack.of(this).node.findChild('Custom::S3AutoDeleteObjectsCustomResourceProvider');
    const group = createLogGroup(this, 'EmptierLogs', parameters);
    const handler = provider.node.findChild('Handler') as CfnResource;
    handler.addPropertyOverride('LoggingConfig', { LogGroup: group.logGroupName });
    for (const child of [provider.node.findChild('Role'), handler]) {
      Validations.of(child).acknowledge(
        {
          id: `AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole]`,
          reason: 'Made by the CDK for its own function that empties the bucket on destroy: logs only.',
        },
        {
          id: 'AwsSolutions-L1',
          reason: 'The CDK chooses the runtime of its own function, by what every region has.',
        },
        {
          id: 'cdk-validator-cfnguard::lambda_inside_vpc_check',
          reason: 'It calls S3 only, once, on destroy.',
        },
      );
    }
  }
}
