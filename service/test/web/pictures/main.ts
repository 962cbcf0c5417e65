// Makes the README's two pictures from the real thing: `npm start` and `classify` in a terminal, and the page of the
// server that they started. Run from the root of the repository, after `npm start` has set everything up:
//   node dist/service/test/web/pictures/main.js
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { fromRoot } from '../../helpers/root.ts';
import { until } from '../../helpers/until.ts';
import { browserMissing, openBrowser } from '../support/browser.ts';
import { type Cell, screenOf } from './screen.ts';
import { svgOf } from './svg.ts';

const FOLDER = fromRoot('docs', 'images');
const COLUMNS = 96;
const MAX_PAGE_BYTES = 150_000;
/** The default address, as a reader sees it; it must be free. */
const URL = 'http://localhost:8080';

interface Running {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<unknown>;
}

/** Runs a command line on a pseudo-terminal of util-linux' script. */
function onTerminal(line: string, env: Readonly<Record<string, string>>): Running {
  const child = spawn('script', ['-qec', `stty cols ${COLUMNS}; exec ${line}`, '/dev/null'], {
    env: { ...process.env, TERM: 'xterm-256color', npm_config_loglevel: 'error', LOG_LEVEL: 'warn', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  const ended = new Promise((done) => child.on('close', done));
  return { child, output: () => output, ended };
}

const prompt = (line: string): Cell[] => [
  { char: '$', colour: 32 },
  ...[...` ${line}`].map((char) => ({ char, isBold: true })),
];

/** The first pictures after a start take longer than all others will. */
async function warmUp(): Promise<void> {
  const body = new Uint8Array(await readFile(join('models', 'resnet50', 'samples', 'balloon.jpg')));
  const headers = { 'content-type': 'image/jpeg' };
  for (let n = 0; n < 20; n++) {
    const { status } = await fetch(`${URL}/predict`, { method: 'POST', headers, body });
    if (status !== 200) throw new Error(`POST /predict answered ${status}`);
  }
}

async function picturePage(): Promise<void> {
  const browser = await openBrowser();
  try {
    const page = await browser.open(URL, {
      viewport: { width: 1200, height: 790 },
      deviceScaleFactor: 1.25,
    });
    await page.click('#sample-list button:has-text("balloon")');
    await page.waitForSelector('.top-label');
    await page.click('.switch');
    await page.waitForSelector('#heat:not([hidden])');
    // Neither the switch nor a bar is to look as if a pointer were on it.
    await page.mouse.move(0, 0);
    const shot = await page.screenshot();
    const file = join(FOLDER, 'page.png');
    await sharp(shot).png({ palette: true, colours: 128, effort: 10 }).toFile(file);
    const { length } = await readFile(file);
    if (length > MAX_PAGE_BYTES) throw new Error(`${file} has ${length} bytes, more than ${MAX_PAGE_BYTES}`);
  } finally {
    await browser.close();
  }
}

async function main(): Promise<void> {
  if (browserMissing) throw new Error(browserMissing);
  await mkdir(FOLDER, { recursive: true });
  const store = await mkdtemp(join(tmpdir(), 'pictures-'));
  const start = 'npm start';
  const classify = 'npm run -s classify -- models/resnet50/samples';
  const server = onTerminal(start, { STORE: `file:${store}` });
  try {
    let hasEnded = false;
    void server.ended.then(() => {
      hasEnded = true;
    });
    await until('the start of the server', () => hasEnded || server.output().includes('Ctrl-C'), 600_000);
    if (hasEnded) throw new Error(`npm start ended: ${server.output()}`);
    await warmUp();
    const client = onTerminal(classify, {});
    await client.ended;
    const lines = [
      prompt(start),
      ...screenOf(server.output()),
      [],
      prompt(classify),
      ...screenOf(client.output()),
    ];
    const title = 'A terminal: npm start, then the sample pictures classified';
    await writeFile(join(FOLDER, 'terminal.svg'), svgOf(lines, COLUMNS, title));
    await picturePage();
  } finally {
    // Ctrl-C, as a person ends it.
    server.child.stdin?.write('\u0003');
    await server.ended;
    await rm(store, { recursive: true, force: true });
  }
}

await main();
