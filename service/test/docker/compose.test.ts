import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { parse } from 'yaml';
import { configSchema, loadConfig } from '../../src/config.ts';
import { PRICES } from '../../src/domain/prices.ts';
import { buildApp } from '../../src/http/app.ts';
import { createGatedModels } from '../helpers/gated-models.ts';

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

const text = readFileSync(resolve('docker-compose.yml'), 'utf8');
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
    const base = /^ARG NODE_IMAGE=(\S+)$/m.exec(readFileSync(resolve('docker', 'Dockerfile'), 'utf8'))?.[1];
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
        if (source.startsWith('.')) assert.ok(existsSync(resolve(source)), `${name}: ${source}`);
        else assert.ok(source in file.volumes, `${name}: ${source}`);
      }
    }
  });
});

describe('the dashboard', () => {
  interface Panel {
    readonly title: string;
    readonly type: string;
    readonly targets?: readonly { readonly expr: string }[];
    readonly datasource?: { readonly uid: string };
  }
  const folder = resolve('docker', 'compose', 'grafana');
  const dashboards = join(folder, 'dashboards');
  const dashboard = JSON.parse(readFileSync(join(dashboards, 'ml-serverless.json'), 'utf8')) as {
    panels: readonly Panel[];
    templating: { list: readonly { name: string; query: string }[] };
  };
  const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

  it('answers five questions', () => {
    const rows = dashboard.panels.filter(({ type }) => type === 'row').map(({ title }) => title);
    assert.deepEqual(rows, [
      'Is it up?',
      'How fast is it?',
      'How full is it?',
      'What fails?',
      'What does it cost?',
    ]);
    assert.deepEqual(readdirSync(dashboards), ['ml-serverless.json']);
  });

  it('asks only for metrics and labels that the service has', async () => {
    const models = createGatedModels();
    const config = loadConfig({ LOG_LEVEL: 'silent' });
    const app = await buildApp({
      config,
      logger: pino({ level: 'silent' }),
      models,
      close: async () => undefined,
    });
    try {
      await app.ready();
      const { payload } = await app.inject({ method: 'GET', url: '/metrics' });
      const known = new Set([...payload.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
      const words = new Set(
        expressions.flatMap(
          (each) => each.replaceAll(/\$\w+/g, '').match(/\b[a-z]+(?:_[a-z0-9]+){1,}\b(?=\{|\[|\)|$)/g) ?? [],
        ),
      );
      words.delete('histogram_quantile');
      assert.ok(words.size >= 8, [...words].join());
      for (const word of words)
        assert.ok(
          known.has(word.replace(/_(bucket|sum|count)$/, '')) || known.has(word),
          `${word} is a metric`,
        );
    } finally {
      await app.close();
    }
  });

  it('calculates with the prices of the price list', () => {
    const variable = (name: string) => dashboard.templating.list.find((each) => each.name === name)?.query;
    assert.equal(Number(variable('vcpu_hour')), PRICES.fargate.vcpuHour.x86_64);
    assert.equal(Number(variable('gb_hour')), PRICES.fargate.gbHour.x86_64);
  });

  it('reads the data source that is provisioned', () => {
    const { datasources } = parse(
      readFileSync(join(folder, 'provisioning', 'datasources', 'prometheus.yml'), 'utf8'),
    ) as {
      datasources: { uid: string; url: string }[];
    };
    const uids = new Set(datasources.map(({ uid }) => uid));
    for (const { datasource, title, type } of dashboard.panels)
      if (type !== 'row') assert.ok(uids.has(datasource?.uid ?? ''), title);
    const { scrape_configs } = parse(
      readFileSync(resolve('docker', 'compose', 'prometheus.yml'), 'utf8'),
    ) as {
      scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[];
    };
    assert.deepEqual(scrape_configs[0]?.static_configs[0]?.targets, ['api:8080']);
  });
});
