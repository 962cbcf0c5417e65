import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

/** Debian's. */
const CHROMIUM = '/usr/bin/chromium';

/** Why tests in a real browser cannot run, or false. */
export const browserMissing = existsSync(CHROMIUM)
  ? false
  : `needs Chromium at ${CHROMIUM} (Debian: apt-get install chromium)`;

/** Where screenshots are kept: never in the repository. */
const ARTIFACTS = process.env.ARTIFACTS_DIR ?? join(tmpdir(), 'ml-serverless-artifacts');

export interface TestPage extends Page {
  /** Errors in the page's console, including policy violations and uncaught exceptions. */
  readonly faults: string[];
  /** Addresses of all its requests, to any host. */
  readonly asked: string[];
}

export interface TestBrowser {
  /** A page in a new context. Motion is reduced, so that screenshots show no animation. */
  open(url: string, options?: BrowserContextOptions): Promise<TestPage>;
  close(): Promise<void>;
}

/** @param args more of Chromium's arguments */
export async function openBrowser(args: readonly string[] = []): Promise<TestBrowser> {
  const browser: Browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', ...args],
  });
  return {
    async open(url, options = {}) {
      const context = await browser.newContext({
        viewport: { width: 1280, height: 800 },
        reducedMotion: 'reduce',
        colorScheme: 'light',
        ...options,
      });
      const page = Object.assign(await context.newPage(), {
        faults: [] as string[],
        asked: [] as string[],
      });
      page.on('request', (request) => page.asked.push(request.url()));
      page.on('pageerror', (error) => page.faults.push(`uncaught: ${error.message}`));
      page.on('console', (message) => {
        // The browser itself logs failed requests; the tests check how the page handles them.
        if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
          page.faults.push(message.text());
        }
      });
      page.setDefaultTimeout(60_000);
      await page.goto(url);
      return page;
    },
    close: () => browser.close(),
  };
}

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

interface Axe {
  run(options: {
    resultTypes: ['violations'];
  }): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>;
}

/**
 * Keeps what the page looks like (light, dark, and on a phone) and returns what axe finds in each.
 *
 * @returns one line a finding; none when all is well
 */
export async function auditPage(page: Page, name: string): Promise<string[]> {
  mkdirSync(ARTIFACTS, { recursive: true });
  const findings: string[] = [];
  const desktop = page.viewportSize() ?? { width: 1280, height: 800 };
  const looks = [
    { look: 'light', colorScheme: 'light', size: desktop },
    { look: 'dark', colorScheme: 'dark', size: desktop },
    { look: 'phone', colorScheme: 'light', size: { width: 390, height: 844 } },
  ] as const;
  for (const { look, colorScheme, size } of looks) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(size);
    await page.screenshot({ path: join(ARTIFACTS, `${name}-${look}.png`), fullPage: true });
    findings.push(...(await axe(page)).map((finding) => `${name}, ${look}: ${finding}`));
    const width = await page.evaluate('document.documentElement.scrollWidth');
    if (Number(width) > size.width) findings.push(`${name}, ${look}: is ${width} pixels wide`);
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(desktop);
  return findings;
}

/** Evaluated through the browser's debugger, which the page's policy does not bind. */
export async function axe(page: Page): Promise<string[]> {
  if (!(await page.evaluate('"axe" in globalThis'))) await page.evaluate(readFileSync(AXE, 'utf8'));
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { axe: Axe }).axe.run({ resultTypes: ['violations'] }),
  );
  return violations.map(
    ({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`,
  );
}
