// Image build: reads npm's bill of materials of the lock file on stdin and prints the part that is installed in this
// directory, without values that differ between builds.
import { globSync, readFileSync } from 'node:fs';

const text = await new Response(process.stdin).text();
const {
  serialNumber: _,
  metadata: { timestamp: __, ...metadata } = {},
  components,
  dependencies,
  ...rest
} = JSON.parse(text);

const present = new Set();
for (const file of globSync(['node_modules/**/package.json'])) {
  const { name, version } = JSON.parse(readFileSync(file, 'utf8'));
  if (name && version) present.add(`${name}@${version}`);
}
const installed = components.filter(({ group, name, version }) =>
  present.has(`${group ? `${group}/` : ''}${name}@${version}`),
);
if (installed.length === 0) throw new Error('none of the components is installed here');
const refs = new Set([metadata.component['bom-ref'], ...installed.map((component) => component['bom-ref'])]);
const kept = dependencies
  .filter(({ ref }) => refs.has(ref))
  .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((each) => refs.has(each)) }));
process.stdout.write(
  `${JSON.stringify({ ...rest, metadata, components: installed, dependencies: kept }, null, 2)}\n`,
);
