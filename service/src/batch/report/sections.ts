import { formatCount, formatNumber } from '../../domain/format.ts';
import { type Html, html } from './html.ts';
import type { RowSummary, UncertainRow } from './summarize.ts';

/** Bars in the chart of labels; all further labels share one. */
const MAX_BARS = 20;
/** Classes below a picture. */
const MAX_CLASSES = 3;

const percent = (part: number, whole: number) => `${((100 * part) / whole).toFixed(1)} %`;
const readable = (label: string) => label.replaceAll('_', ' ');
const largestFirst = <T>(entries: Iterable<[string, T]>, countOf: (value: T) => number) =>
  [...entries].sort(([a, x], [b, y]) => countOf(y) - countOf(x) || (a < b ? -1 : 1));

/** The labels as a table with bars, which needs no sight of the bars. */
export function labelSection({ labels, otherLabels, isTable }: RowSummary): Html | undefined {
  if (labels.size === 0) return undefined;
  const sorted = largestFirst(labels, Number);
  const shown = sorted.slice(0, MAX_BARS);
  const total = sorted.reduce((sum, [, count]) => sum + count, otherLabels);
  const rest = shown.reduce((left, [, count]) => left - count, total);
  const longest = Math.max(rest, shown[0]?.[1] ?? 1);
  const bar = (name: string | Html, count: number) => html`
<tr><th scope="row">${name}</th><td class="bars"><svg viewBox="0 0 100 1" preserveAspectRatio="none"
 aria-hidden="true"><rect class="bar" width="${((100 * count) / longest).toFixed(2)}" height="1"/></svg></td>
<td class="number">${formatCount(count)}</td><td class="number">${percent(count, total)}</td></tr>`;
  const others = html`<span class="soft">${formatCount(sorted.length - shown.length)} other labels</span>`;
  return html`<section><h2>Labels</h2><table>
<thead><tr><th scope="col">Likeliest class</th><th scope="col" class="bars">${isTable ? 'Rows' : 'Images'}</th>
<th scope="col" class="number">Count</th><th scope="col" class="number">Share</th></tr></thead>
<tbody>${shown.map(([label, count]) => bar(readable(label), count))}${rest > 0 && bar(others, rest)}</tbody></table></section>
`;
}

/** Size of a column of the histogram, in its own units. */
const WIDTH = 50;
const HEIGHT = 100;
const BASE = 118;

export function certaintySection({ bins, labels, isTable }: RowSummary): Html | undefined {
  if (labels.size === 0) return undefined;
  const noun = isTable ? 'rows' : 'images';
  const highest = Math.max(...bins);
  const total = bins.reduce((sum, count) => sum + count, 0);
  const certain = bins.slice(bins.length / 2).reduce((sum, count) => sum + count, 0);
  const range = (bin: number) => `${(100 / bins.length) * bin}–${(100 / bins.length) * (bin + 1)}`;
  const columns = bins.map((count, bin) => {
    const height = (HEIGHT * count) / highest;
    const middle = WIDTH * (bin + 0.5);
    return html`
<rect class="bar" x="${WIDTH * bin + 4}" y="${(BASE - height).toFixed(1)}" width="${WIDTH - 8}" height="${height.toFixed(1)}"/>
<text x="${middle}" y="${(BASE - 5 - height).toFixed(1)}">${formatCount(count)}</text><text x="${middle}" y="${BASE + 15}">${range(bin)}</text>`;
  });
  return html`<section><h2>Certainty</h2>
<svg class="histogram" viewBox="0 0 ${WIDTH * bins.length} ${BASE + 22}" role="img" aria-label="Histogram of the probability of the likeliest class, in percent. ${bins.map((count, bin) => `${range(bin)}: ${formatCount(count)}`).join('; ')}">${columns}
<line x1="0" y1="${BASE}" x2="${WIDTH * bins.length}" y2="${BASE}"/></svg>
<p class="soft">Probability of the likeliest class, in percent</p>
<p>In ${percent(certain, total)} of the ${noun}, the likeliest class has a probability of 50 % or more.</p></section>
`;
}

/** A regression has values instead of classes. */
export function valueSection({ values }: RowSummary): Html | undefined {
  if (values.count === 0) return undefined;
  const tile = (name: string, value: number) =>
    html`<div><dt>${name}</dt><dd>${formatNumber(value)}</dd></div>`;
  return html`<section><h2>Values</h2><dl class="tiles">${[
    tile('Lowest', values.minimum),
    tile('Mean', values.mean),
    tile('Highest', values.maximum),
  ]}</dl></section>
`;
}

export function failureSection({ failures }: RowSummary): Html | undefined {
  if (failures.size === 0) return undefined;
  const reasons = largestFirst(failures, ({ count }) => count).map(([code, { count, examples }]) => {
    const left = count - examples.length;
    return html`
<h3><code>${code}</code> · ${formatCount(count)}</h3><ul>${examples.map(
      (row) => html`
<li>${nameOf(row)}: ${row.error?.message}</li>`,
    )}${
      left > 0 &&
      html`
<li class="soft">and ${formatCount(left)} more</li>`
    }</ul>`;
  });
  return html`<section><h2>Failures</h2>${reasons}</section>
`;
}

/** @param pictureOf the address of a picture inside the page; undefined if there is none */
export function uncertainSection(
  { uncertain, isTable }: RowSummary,
  pictureOf: (row: UncertainRow) => string | undefined,
): Html | undefined {
  if (uncertain.length === 0) return undefined;
  const figures = uncertain.map((row) => {
    const address = pictureOf(row);
    const picture = address
      ? html`<img src="${address}" alt="">`
      : html`<div class="none">no thumbnail</div>`;
    return html`
<figure>${!isTable && picture}<figcaption><ol>${row.classes?.slice(0, MAX_CLASSES).map(
      ({ label, probability }) => html`
<li><span>${readable(label)}</span><span>${percent(probability, 1)}</span></li>`,
    )}</ol>${nameOf(row)}</figcaption></figure>`;
  });
  return html`<section><h2>Least certain</h2><div class="pictures">${figures}</div></section>
`;
}

const nameOf = ({ key, row }: { readonly key: string; readonly row?: number }) =>
  html`<bdi class="key">${key}</bdi>${row !== undefined && `, row ${row}`}`;
