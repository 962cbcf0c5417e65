import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/config.ts';
import { configSchema } from '../../src/config/settings.ts';
import { fromRoot } from '../helpers/root.ts';

interface Service {
  readonly image: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly ports?: readonly string[];
  readonly profiles?: readonly string[];
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>> | readonly string[];
  readonly healthcheck?: object;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly mem_limit?: string;
}

const text = readFileSync(fromRoot('docker-compose.yml'), 'utf8');
const file = parse(text, { merge: true }) as {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
};
const services = Object.entries(file.services);
const serviceOf = (name: string): Service => {
  const found = file.services[name];
  assert.ok(found, `there is a service ${name}`);
  return found;
};

describe('docker-compose.yml', () => {
  it('starts the API and its S3 server, and observability only when asked', () => {
    const byDefault = services.filter(([, { profiles }]) => !profiles).map(([name]) => name);
    assert.deepEqual(byDefault.sort(), ['api', 'bucket', 's3']);
    for (const name of ['prometheus', 'grafana'])
      assert.deepEqual(serviceOf(name).profiles, ['observability']);
  });

  it('takes every image of others by version and digest, and none as latest', () => {
    for (const [name, { image, build }] of services) {
      assert.doesNotMatch(image, /latest/);
      if (!build)
        assert.match(image, /^\$\{[A-Z0-9_]+:-[a-z./-]+:v?\d+\.\d+\.\d+@sha256:[0-9a-f]{64}\}$/, name);
    }
  });

  it('publishes ports on the loopback only', () => {
    for (const [name, { ports = [] }] of services)
      for (const port of ports) assert.match(port, /^127\.0\.0\.1:\$\{[A-Z0-9_]*PORT:-\d+\}:\d+$/, name);
  });

  it('hardens every service and bounds its memory', () => {
    for (const [name, service] of services) {
      assert.equal(service.read_only, true, name);
      assert.deepEqual(service.cap_drop, ['ALL'], name);
      assert.deepEqual(service.security_opt, ['no-new-privileges:true'], name);
      assert.ok(service.mem_limit, name);
    }
  });

  it('starts each service once what it needs is healthy', () => {
    assert.deepEqual(serviceOf('api').depends_on, {
      bucket: { condition: 'service_completed_successfully' },
    });
    assert.deepEqual(serviceOf('bucket').depends_on, { s3: { condition: 'service_healthy' } });
    for (const name of ['api', 's3']) assert.ok(serviceOf(name).healthcheck, name);
  });

  it('builds from the Dockerfile, with the base that the Dockerfile names', () => {
    assert.equal(serviceOf('api').build?.dockerfile, 'docker/Dockerfile');
    const base = /^ARG NODE_IMAGE=(\S+)$/m.exec(readFileSync(fromRoot('docker', 'Dockerfile'), 'utf8'))?.[1];
    assert.ok(base && text.includes(`NODE_IMAGE:-${base}}`));
  });

  it('sets only what the service knows, to values that it takes', () => {
    const environment: Record<string, string> = {};
    for (const [name, value] of Object.entries(serviceOf('api').environment ?? {})) {
      assert.ok(name in configSchema.properties || name.startsWith('AWS_'), `${name} is a setting`);
      environment[name] = String(value).replace(/\$\{[A-Z0-9_]+:-([^}]*)\}/g, '$1');
    }
    const config = loadConfig(environment);
    assert.equal(config.STORE, 's3://ml-serverless');
    assert.equal(config.DROP, 'on');
  });

  it('gives the S3 server the keys that the service signs with', () => {
    const { environment: s3 = {} } = serviceOf('s3');
    const { environment: api = {} } = serviceOf('api');
    assert.equal(s3.ROOT_ACCESS_KEY, api.AWS_ACCESS_KEY_ID);
    assert.equal(s3.ROOT_SECRET_KEY, api.AWS_SECRET_ACCESS_KEY);
  });

  it('mounts only files that are there and volumes that it declares', () => {
    for (const [name, { volumes = [] }] of services) {
      for (const volume of volumes) {
        const [source = '', target = ''] = volume.split(':');
        assert.ok(target.startsWith('/'), name);
        if (source.startsWith('.')) assert.ok(existsSync(fromRoot(source)), `${name}: ${source}`);
        else assert.ok(source in file.volumes, `${name}: ${source}`);
      }
    }
  });
});
