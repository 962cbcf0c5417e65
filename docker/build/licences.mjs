// Image build: prints the licences and notices of the packages in node_modules, each text once. Bundled packages are removed
// from node_modules, but their licences require that the text stays with the code.
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const IS_LICENCE = /^(licen[cs]e|notice|copying|copyright)([.-].*)?$/i;

const packagesOf = new Map();
for (const file of globSync('node_modules/**/package.json')) {
  const folder = dirname(file);
  // Skip package.json files inside a package.
  if (!/node_modules\/(@[^/]+\/)?[^/]+$/.test(folder)) continue;
  const { name, version, license } = JSON.parse(readFileSync(file, 'utf8'));
  const texts = globSync(join(folder, '*'))
    .filter((path) => IS_LICENCE.test(basename(path)))
    .sort()
    .map((path) => readFileSync(path, 'utf8').trim());
  const text = texts.join('\n\n') || `${license ?? 'no licence named'} (the package has no text of it)`;
  packagesOf.set(text, [...(packagesOf.get(text) ?? []), `${name} ${version}`]);
}
if (packagesOf.size === 0) throw new Error('no package is installed here');
const sections = [...packagesOf].map(([text, names]) => [names.sort().join('\n'), text]);
sections.sort(([a], [b]) => (a < b ? -1 : 1));
const line = '-'.repeat(78);
process.stdout.write(sections.map(([names, text]) => `${names}\n\n${text}\n\n${line}\n`).join(''));
