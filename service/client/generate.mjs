#!/usr/bin/env node
// `npm run client`: a typed TypeScript client from openapi.yaml, as a package that can be installed by its path.
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { installTools, requireTool } from './tools.mjs';

const HELP = `Generates a typed TypeScript client from openapi.yaml.

  npm run client [-- --out FOLDER] [--spec FILE]

  --out FOLDER   where the package goes; default dist/client
  --spec FILE    the OpenAPI document; default openapi.yaml
  --help         this text

Then, in your project:  npm install <FOLDER>
`;

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '..', '..');

/** @returns the folder of the package */
async function generate({ out, spec }) {
  installTools(process.env);
  const tool = requireTool(process.env);
  const { default: openapiTs, astToString } = tool('openapi-typescript');
  const ts = tool('typescript');
  const blob = ts.factory.createTypeReferenceNode('Blob');
  const nodes = await openapiTs(pathToFileURL(spec), {
    // Bytes are Blobs (a File is one), not texts.
    transform: (schema) => (schema.format === 'binary' ? blob : undefined),
    silent: true,
  });
  mkdirSync(out, { recursive: true });
  writeFileSync(
    join(out, 'schema.d.ts'),
    `// Generated from openapi.yaml by npm run client; do not edit.\n${astToString(nodes)}`,
  );
  for (const name of ['index.js', 'index.d.ts']) copyFileSync(join(here, 'template', name), join(out, name));
  const dependencies = copyDependencies(dirname(tool.resolve('openapi-fetch/package.json')), out);
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const manifest = {
    name: 'ml-serverless-client',
    version,
    description: 'Typed client of ml-serverless, generated from its openapi.yaml',
    license: 'MIT',
    type: 'module',
    exports: {
      '.': { types: './index.d.ts', default: './index.js' },
      './schema': { types: './schema.d.ts' },
    },
    engines: { node: '>=20' },
    dependencies,
    bundleDependencies: Object.keys(dependencies),
  };
  writeFileSync(join(out, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  return out;
}

/**
 * Copies openapi-fetch and its own dependency into the package: npm installs a directory as a link, without what the
 * directory depends on.
 *
 * @returns the exact versions by name
 */
function copyDependencies(fetchFolder, out) {
  const modules = join(out, 'node_modules');
  rmSync(modules, { recursive: true, force: true });
  const copied = ['openapi-fetch', 'openapi-typescript-helpers'].map((name) => {
    const from = join(dirname(fetchFolder), name);
    const { version } = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8'));
    cpSync(from, join(modules, name), { recursive: true });
    return [name, version];
  });
  return Object.fromEntries(copied);
}

try {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: join(root, 'dist', 'client') },
      spec: { type: 'string', default: join(root, 'openapi.yaml') },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) process.stdout.write(HELP);
  else {
    const out = await generate({ out: resolve(values.out), spec: resolve(values.spec) });
    process.stdout.write(`the client is in ${out}; use it with: npm install ${out}\n`);
  }
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
