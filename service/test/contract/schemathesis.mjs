#!/usr/bin/env node
// Fuzzes a server of its own, with the real model, by openapi.yaml: node service/test/contract/schemathesis.mjs
// After a build. Ends with schemathesis' exit status; `st` is on PATH or in the cache's tools.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { cacheFolder } from '../../../models/cache-folder.mjs';

/** Bounds of the run: cases a route by fuzzing, seconds in all (coverage included), seconds before it is ended. */
const CASES = '5';
const SECONDS = '75';
const ENDED_AFTER_SECONDS = 150;

const here = dirname(fileURLToPath(import.meta.url));
const helper = join(here, '../../../dist/service/test/helpers/server-process.js');
const { spawnServer } = await import(pathToFileURL(helper).href);
const installed = join(cacheFolder(process.env), 'tools', 'python', 'bin', 'st');

const server = spawnServer();
try {
  const url = await server.url;
  const options = [
    '--phases',
    'examples,coverage,fuzzing',
    '-n',
    CASES,
    '--max-time',
    SECONDS,
    '--seed',
    '1',
  ];
  const bounds = ['--request-timeout', '30', '--continue-on-failure', '--no-shrink'];
  process.exitCode = await new Promise((done, fail) => {
    const child = spawn(
      existsSync(installed) ? installed : 'st',
      [
        '--config-file',
        join(here, 'schemathesis.toml'),
        'run',
        join(here, '../../../openapi.yaml'),
        '-u',
        url,
        ...options,
        ...bounds,
      ],
      { stdio: ['ignore', 'inherit', 'inherit'], timeout: ENDED_AFTER_SECONDS * 1000 },
    );
    child.on('error', fail);
    child.on('close', (code) => done(code ?? 1));
  });
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
} finally {
  server.child.kill('SIGTERM');
  await server.exit;
}
