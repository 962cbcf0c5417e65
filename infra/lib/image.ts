import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { IgnoreMode, Stack } from 'aws-cdk-lib';
import * as ecr from 'aws-cdk-lib/aws-ecr';
import { DockerImageAsset, Platform } from 'aws-cdk-lib/aws-ecr-assets';
import { Construct } from 'constructs';
import { AppError } from '../../service/src/domain/errors.ts';
import type { Parameters } from './parameters.ts';

export interface ImageProps {
  readonly root: string;
  readonly parameters: Pick<Parameters, 'architecture' | 'imageUri'>;
}

/**
 * The container image of the API function and the Batch tasks. `cdk deploy` builds it from docker/Dockerfile and pushes it,
 * or uses an image in ECR (`-c imageUri=`). Synthesis needs no Docker.
 *
 * The tag of a built image is the hash of its sources, and tags of the bootstrap repository are immutable. An existing image
 * is referenced by its digest. In both cases, the reviewed image is the one that runs.
 */
export class Image extends Construct {
  readonly repository: ecr.IRepository;
  /** The tag, or the digest with `sha256:`. */
  readonly tagOrDigest: string;

  constructor(scope: Construct, id: string, { root, parameters }: ImageProps) {
    super(scope, id);
    if (parameters.imageUri) {
      const [name = '', digest = ''] = parameters.imageUri.split('@');
      const [registry = '', ...path] = name.split('/');
      const [account, , , region] = registry.split('.');
      this.repository = ecr.Repository.fromRepositoryAttributes(this, 'Repository', {
        repositoryName: path.join('/'),
        repositoryArn: Stack.of(this).formatArn({
          service: 'ecr',
          account: account ?? '',
          region: region ?? '',
          resource: 'repository',
          resourceName: path.join('/'),
        }),
      });
      this.tagOrDigest = digest;
      return;
    }
    if (!existsSync(join(root, 'docker', 'Dockerfile'))) {
      throw new AppError(
        'INVALID_CONFIGURATION',
        `no docker/Dockerfile in ${root}: check out the whole repository`,
      );
    }
    const asset = new DockerImageAsset(this, 'Asset', {
      directory: root,
      file: join('docker', 'Dockerfile'),
      platform: parameters.architecture === 'arm64' ? Platform.LINUX_ARM64 : Platform.LINUX_AMD64,
      ignoreMode: IgnoreMode.DOCKER,
      exclude: ignored(root),
    });
    this.repository = asset.repository;
    this.tagOrDigest = asset.imageTag;
  }
}

/** Exclusions of the build context, as `docker build` applies them: excluded files neither leak nor change the asset's hash. */
const ignored = (root: string): string[] =>
  readFileSync(join(root, 'docker', 'Dockerfile.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
