import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { createLogGroup } from './log-group.ts';
import type { Parameters } from './parameters.ts';
import { collectorPort } from './tracing.ts';

export interface NetworkProps {
  readonly parameters: Pick<Parameters, 'network' | 'auth' | 'logRetentionDays' | 'otlpEndpoint'>;
}

/**
 * The network of the tasks. `public` costs nothing while idle: there is no NAT gateway. A task has a public address to pull
 * its image and write its log, and a security group without inbound rules. `private` has no route to the internet; tasks
 * reach AWS through VPC endpoints, which are billed by the hour.
 */
export class Network extends Construct {
  readonly vpc: ec2.IVpc;
  readonly subnets: ec2.SubnetSelection;
  readonly assignPublicIp: boolean;
  /** Outbound only. */
  readonly securityGroup: ec2.SecurityGroup;
  /** Set only for a private network: functions outside a VPC start faster. */
  readonly functionsInside: boolean;

  constructor(scope: Construct, id: string, { parameters }: NetworkProps) {
    super(scope, id);
    const closed = parameters.network === 'private';
    const subnetType = closed ? ec2.SubnetType.PRIVATE_ISOLATED : ec2.SubnetType.PUBLIC;
    this.subnets = { subnetType };
    this.assignPublicIp = !closed;
    this.functionsInside = closed;
    const vpc = new ec2.Vpc(this, 'Vpc', {
      maxAzs: 2,
      natGateways: 0,
      subnetConfiguration: [
        { name: 'tasks', subnetType, cidrMask: 20, ...(closed ? {} : { mapPublicIpOnLaunch: false }) },
      ],
      // This would add a custom resource with broad rights for a security group that nothing uses.
      restrictDefaultSecurityGroup: false,
      // Images and results do not cross the internet, and transfer is free.
      gatewayEndpoints: { S3: { service: ec2.GatewayVpcEndpointAwsService.S3 } },
    });
    // The CDK's types conflict under exactOptionalPropertyTypes.
    this.vpc = vpc as ec2.IVpc;
    this.securityGroup = new ec2.SecurityGroup(this, 'Tasks', {
      vpc: this.vpc,
      description: 'Tasks: out by TLS only, nothing in',
      allowAllOutbound: false,
    });
    this.securityGroup.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(443), 'S3, ECR, CloudWatch Logs');
    const port = collectorPort(parameters);
    if (port !== undefined && port !== 443) {
      this.securityGroup.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(port), 'the collector of traces');
    }
    if (closed) this.addEndpoints(parameters.auth === 'key');
    this.logRejected(parameters);
  }

  private addEndpoints(readsSecret: boolean): void {
    const { ECR, ECR_DOCKER, CLOUDWATCH_LOGS, BATCH, SQS, SECRETS_MANAGER } =
      ec2.InterfaceVpcEndpointAwsService;
    const group = new ec2.SecurityGroup(this, 'Endpoints', {
      vpc: this.vpc,
      description: 'AWS endpoints: in from tasks and functions only',
      allowAllOutbound: false,
    });
    group.addIngressRule(this.securityGroup, ec2.Port.tcp(443), 'tasks and functions');
    const services = {
      EcrApi: ECR,
      EcrDocker: ECR_DOCKER,
      Logs: CLOUDWATCH_LOGS,
      Batch: BATCH,
      Sqs: SQS,
      ...(readsSecret ? { Secrets: SECRETS_MANAGER } : {}),
    };
    for (const [name, service] of Object.entries(services)) {
      this.vpc.addInterfaceEndpoint(name, { service, securityGroups: [group], open: false });
    }
  }

  /** Rejected packets only, which keeps the log small. */
  private logRejected(parameters: Pick<Parameters, 'logRetentionDays'>): void {
    const group = createLogGroup(this, 'FlowLogs', parameters);
    const role = new iam.Role(this, 'FlowLogsRole', {
      assumedBy: new iam.ServicePrincipal('vpc-flow-logs.amazonaws.com'),
    });
    this.vpc.addFlowLog('Rejected', {
      destination: ec2.FlowLogDestination.toCloudWatchLogs(group, role),
      trafficType: ec2.FlowLogTrafficType.REJECT,
    });
  }
}
