import { writeFile } from 'node:fs/promises';
import { documentApp } from './app.ts';
import { openapiYaml } from './yaml.ts';

// Writes openapi.yaml: `node dist/service/src/http/openapi/write.js [file]`, from the checkout's root.
const [file = 'openapi.yaml'] = process.argv.slice(2);
const app = await documentApp();
await writeFile(file, openapiYaml(app));
await app.close();
process.stdout.write(`${file} written\n`);
