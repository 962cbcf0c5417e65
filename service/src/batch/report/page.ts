import { createHash } from 'node:crypto';
import { PLAN_DEFAULTS } from '../../domain/estimate/estimate.ts';
import { DEFAULT_SIZE } from '../../domain/estimate/picture-size.ts';
import { makePlan } from '../../domain/estimate/plan.ts';
import { documentedSpeed } from '../../domain/estimate/speed.ts';
import { formatCount, formatDollars, formatDuration, formatNumber, plural } from '../../domain/format.ts';
import type { Job, JobCounts, JobState } from '../../domain/job/job.ts';
import { type Html, html } from './html.ts';
import {
  certaintySection,
  failureSection,
  labelSection,
  uncertainSection,
  valueSection,
} from './sections.ts';
import { STYLE } from './style.ts';
import type { RowSummary, UncertainRow } from './summarize.ts';

/** What a report says about a job beside its rows. */
export interface JobFacts {
  readonly status: JobState;
  readonly counts: JobCounts;
  readonly finishedAt?: string | undefined;
  readonly reason?: string | undefined;
}

/** No script, and nothing from elsewhere: the style of this page, and images inside it. */
const CSP = [
  "default-src 'none'",
  'img-src data:',
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/** The report of a job: one HTML page that needs nothing else. */
export function renderReport(
  job: Job,
  facts: JobFacts,
  rows: RowSummary,
  pictureOf: (row: UncertainRow) => string | undefined,
): string {
  const { status, reason } = facts;
  const head = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${CSP}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Report of job ${job.jobId}</title>
`;
  const body = html`
</head>
<body>
<header><p class="soft">ml-serverless · report of a batch job</p>
<h1><bdi>${nameOf(job)}</bdi></h1>
<p><span class="state ${status}">${status}</span> · <code>${job.jobId}</code></p>
${reason !== undefined && html`<p>${reason}</p>`}</header>
<main>
${countSection(facts)}
${jobSection(job, facts, rows)}
${labelSection(rows)}${certaintySection(rows)}${valueSection(rows)}${failureSection(rows)}
${uncertainSection(rows, pictureOf)}</main>
<footer><p>This page needs no network. The results of the job hold every row.</p></footer>
</body>
</html>
`;
  // The style is not escaped: it is a constant.
  return `${head.markup}<style>${STYLE}</style>${body.markup}`;
}

function nameOf({ source }: Job): string {
  if (source.kind === 'objects') return plural(source.objects.length, 'object');
  return source.digest === undefined ? source.prefix : 'Uploaded files';
}

function countSection({ counts }: JobFacts): Html {
  const tile = (name: string, count: number) =>
    html`<div><dt>${name}</dt><dd>${formatCount(count)}</dd></div>`;
  return html`<section><h2>Inputs</h2><dl class="tiles">
${tile('Total', counts.total)}${tile('Classified', counts.succeeded)}${tile('Failed', counts.failed)}
${counts.pending > 0 && tile('Pending', counts.pending)}</dl></section>`;
}

function jobSection(job: Job, { counts, finishedAt }: JobFacts, { models, isTable }: RowSummary): Html {
  const done = counts.succeeded + counts.failed;
  const fact = (name: string, value: string | undefined) =>
    value === undefined ? html`` : html`<dt>${name}</dt><dd>${value}</dd>\n`;
  return html`<section><h2>Job</h2><dl class="facts">${[
    fact('Model', models.size > 0 ? [...models].join(', ') : job.model),
    fact('Precision', job.precision),
    fact('Classes per image', isTable ? undefined : String(job.topK)),
    fact('Created', timeOf(job.createdAt)),
    fact('Finished', finishedAt && timeOf(finishedAt)),
    fact('Duration', finishedAt && durationOf(job.createdAt, finishedAt, done)),
    fact('Cost on AWS', isTable || done === 0 ? undefined : costOf(job, done)),
  ]}</dl></section>
`;
}

/** "2026-01-31 09:30:00 UTC" */
const timeOf = (iso: string) => `${iso.slice(0, 19).replace('T', ' ')} UTC`;

function durationOf(createdAt: string, finishedAt: string, inputs: number): string {
  const seconds = Math.max(0, (Date.parse(finishedAt) - Date.parse(createdAt)) / 1000);
  const rate = seconds > 0 ? `, ${formatNumber(inputs / seconds)} inputs per second` : '';
  return `${formatDuration(seconds)}${rate}`;
}

/** By the arithmetic of GET /plan, for pictures of the usual size. */
function costOf({ shardSize }: Job, images: number): string | undefined {
  const input = { ...PLAN_DEFAULTS, images, shardSize };
  const { estimates, prices } = makePlan(input, DEFAULT_SIZE, documentedSpeed(DEFAULT_SIZE));
  const spot = estimates.find(({ where }) => where === 'Fargate Spot');
  if (!spot || spot.usd === null) return undefined;
  const { width, height } = DEFAULT_SIZE;
  return `about ${formatDollars(spot.usd)} on Fargate Spot: estimated for ResNet-50 and pictures of ${width} × ${height} pixels, with the prices of ${prices.region} recorded on ${prices.recordedOn}`;
}
