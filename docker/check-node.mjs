// Continuous integration: fails if the Node.js that docker/Dockerfile pins is end-of-life, older than MAX_MONTHS, or not in
// node-releases.json, which holds the release dates so that the check needs no network.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/** Node.js publishes security releases about every other month. */
const MAX_MONTHS = 4;

/** @param {string} dockerfile content of the Dockerfile @returns {string | undefined} the version of ARG NODE_IMAGE */
export const pinnedNode = (dockerfile) => /^ARG NODE_IMAGE=node:(\d+\.\d+\.\d+)-/m.exec(dockerfile)?.[1];

/**
 * @param {string} version such as 22.23.2
 * @param {{ endOfLife: Record<string, string>, released: Record<string, string> }} table dates as YYYY-MM-DD
 * @param {string} today YYYY-MM-DD
 * @returns {{ fault: string } | { replaceBy: string }} replaceBy: the last day on which the check passes
 */
export function judgeNode(version, table, today) {
  const [major] = version.split('.');
  const released = table.released[version];
  const end = table.endOfLife[major];
  if (!released)
    return { fault: `Node ${version} is not in docker/node-releases.json; add its release date` };
  if (!end) return { fault: `Node ${major} has no end-of-life date in docker/node-releases.json` };
  if (today > end) return { fault: `Node ${major} is end-of-life since ${end}; move to a supported line` };
  const limit = addMonths(released, MAX_MONTHS);
  if (today > limit) {
    return {
      fault: `Node ${version} of ${released} is more than ${MAX_MONTHS} months old; move to the newest ${major}.x`,
    };
  }
  return { replaceBy: limit < end ? limit : end };
}

/** The same day of a later month, or that month's last day. */
function addMonths(date, months) {
  const [year, month, day] = date.split('-').map(Number);
  const lastDay = new Date(Date.UTC(year, month + months, 0)).getUTCDate();
  const moved = new Date(Date.UTC(year, month - 1 + months, Math.min(day, lastDay)));
  return moved.toISOString().slice(0, 10);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const read = (name) => readFileSync(new URL(name, import.meta.url), 'utf8');
  const version = pinnedNode(read('Dockerfile'));
  if (!version) throw new Error('docker/Dockerfile has no ARG NODE_IMAGE=node:<version>-...');
  const today = new Date().toISOString().slice(0, 10);
  const { fault, replaceBy } = judgeNode(version, JSON.parse(read('node-releases.json')), today);
  if (fault) {
    process.stderr.write(`error: ${fault}\n`);
    process.exitCode = 1;
  } else {
    process.stdout.write(`Node ${version}: replace it by ${replaceBy}\n`);
  }
}
