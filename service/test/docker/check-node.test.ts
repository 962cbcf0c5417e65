import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { fromRoot } from '../helpers/root.ts';

interface Table {
  readonly endOfLife: Record<string, string>;
  readonly released: Record<string, string>;
}

interface Checker {
  pinnedNode(dockerfile: string): string | undefined;
  judgeNode(version: string, table: Table, today: string): { fault?: string; replaceBy?: string };
}

const { judgeNode, pinnedNode } = (await import(
  pathToFileURL(fromRoot('docker', 'check-node.mjs')).href
)) as Checker;

const TABLE: Table = {
  endOfLife: { 20: '2026-04-30', 22: '2027-04-30' },
  released: {
    '20.20.2': '2026-03-24',
    '22.23.2': '2026-07-28',
    '22.30.0': '2027-03-10',
    '22.31.0': '2026-10-31',
  },
};

describe('docker/check-node.mjs', () => {
  it('accepts a release until the day it is four months old', () => {
    assert.deepEqual(judgeNode('22.23.2', TABLE, '2026-07-28'), { replaceBy: '2026-11-28' });
    assert.deepEqual(judgeNode('22.23.2', TABLE, '2026-11-28'), { replaceBy: '2026-11-28' });
    assert.match(judgeNode('22.23.2', TABLE, '2026-11-29').fault ?? '', /22\.23\.2.*more than 4 months old/);
  });

  it('counts four months to the last day of a shorter month', () => {
    assert.deepEqual(judgeNode('22.31.0', TABLE, '2026-11-01'), { replaceBy: '2027-02-28' });
    assert.match(judgeNode('22.31.0', TABLE, '2027-03-01').fault ?? '', /more than 4 months old/);
  });

  it('rejects a release after the end of life of its line, however new', () => {
    assert.deepEqual(judgeNode('22.30.0', TABLE, '2027-04-30'), { replaceBy: '2027-04-30' });
    assert.match(judgeNode('22.30.0', TABLE, '2027-05-01').fault ?? '', /end-of-life since 2027-04-30/);
    assert.match(judgeNode('20.20.2', TABLE, '2026-05-01').fault ?? '', /end-of-life since 2026-04-30/);
  });

  it('rejects a version or line that the table does not know', () => {
    assert.match(judgeNode('22.99.0', TABLE, '2026-08-01').fault ?? '', /22\.99\.0 is not in/);
    const table = { ...TABLE, endOfLife: {} };
    assert.match(judgeNode('22.23.2', table, '2026-08-01').fault ?? '', /Node 22 has no end-of-life date/);
  });

  it('knows the version that the Dockerfile pins', () => {
    const version = pinnedNode(readFileSync(fromRoot('docker', 'Dockerfile'), 'utf8'));
    assert.ok(version, 'ARG NODE_IMAGE names a version');
    const table = JSON.parse(readFileSync(fromRoot('docker', 'node-releases.json'), 'utf8')) as Table;
    const released = table.released[version];
    assert.ok(released, `${version} is in docker/node-releases.json`);
    assert.deepEqual(judgeNode(version, table, released).fault, undefined);
  });

  it('sees the same version in the label and in docker-compose.yml', () => {
    const dockerfile = readFileSync(fromRoot('docker', 'Dockerfile'), 'utf8');
    const image = /^ARG NODE_IMAGE=(\S+)$/m.exec(dockerfile)?.[1];
    assert.ok(image);
    const [tag = ''] = image.split('@');
    assert.ok(dockerfile.includes(`base.name="docker.io/library/${tag}"`), 'the label names the base');
    const compose = readFileSync(fromRoot('docker-compose.yml'), 'utf8');
    assert.ok(compose.includes(`NODE_IMAGE:-${image}}`), 'docker-compose.yml names the same image');
  });
});
