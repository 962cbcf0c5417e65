/** The style of the report. */
export const STYLE = `
:root { color-scheme: light dark; --ground: #f7f8f8; --surface: #fff; --sunken: #eef1f1; --line: #dce1e1;
  --text: #17201f; --soft: #55615f; --accent: #0f766e; --bad: #b42318; --wait: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --ground: #101414; --surface: #181d1d; --sunken: #222929;
  --line: #2d3636; --text: #e8eeed; --soft: #a3b0ae; --accent: #5fd0c3; --bad: #ff9a8d; --wait: #f2c15d; } }
@media print { :root { color-scheme: light; --ground: #fff; --surface: #fff; --sunken: #eee; --line: #bbb;
  --text: #000; --soft: #444; --accent: #0f766e; --bad: #b42318; --wait: #8a5a00; } }
* { box-sizing: border-box; margin: 0; print-color-adjust: exact; }
body { background: var(--ground); color: var(--text); font: 16px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main, header, footer { max-width: 62rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; }
footer { padding-bottom: 3rem; color: var(--soft); font-size: .875rem; }
h1 { font-size: 1.75rem; line-height: 1.25; font-weight: 650; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; font-weight: 650; margin-bottom: .75rem; break-after: avoid; }
h3 { font-size: 1rem; font-weight: 650; margin-top: 1rem; break-after: avoid; }
p { margin-top: .5rem; }
.soft { color: var(--soft); }
.state { font-weight: 650; }
.SUCCEEDED { color: var(--accent); } .PARTIAL { color: var(--wait); } .FAILED { color: var(--bad); }
code, .key { font: .875em/1.5 ui-monospace, Menlo, Consolas, "Liberation Mono", monospace; overflow-wrap: anywhere; }
section { background: var(--surface); border: 1px solid var(--line); border-radius: 14px; padding: 1.25rem 1.5rem;
  margin: 1.25rem 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: 1rem; }
.tiles div { display: flex; flex-direction: column; }
.tiles dt { color: var(--soft); }
.tiles dd { font-size: 1.75rem; font-weight: 650; font-variant-numeric: tabular-nums; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem; }
.facts dt { color: var(--soft); }
.facts dd { overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
tr { break-inside: avoid; }
th { text-align: left; font-weight: 400; color: var(--soft); padding: .125rem 0; }
tbody th { color: var(--text); overflow-wrap: anywhere; width: 34%; padding-right: 1rem; }
td { padding: .125rem 0; }
.number { text-align: right; width: 5.5rem; white-space: nowrap; }
svg { display: block; width: 100%; }
.bars svg { height: .75rem; background: var(--sunken); border-radius: 3px; }
.bar { fill: var(--accent); }
.histogram { max-width: 34rem; }
.histogram text { fill: var(--soft); font-size: 11px; text-anchor: middle; }
.histogram line { stroke: var(--line); }
ul, ol { list-style: none; padding: 0; }
li { overflow-wrap: anywhere; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: 1.25rem; }
figure { break-inside: avoid; font-size: .875rem; }
figure img, .none { display: block; width: 100%; height: 9rem; object-fit: contain; background: var(--sunken);
  border-radius: 8px; margin-bottom: .375rem; }
.none { padding-top: 3.75rem; text-align: center; color: var(--soft); }
figcaption li { display: flex; justify-content: space-between; gap: .75rem; line-height: 1.4; }
figcaption li + li, figcaption .key { color: var(--soft); }
figcaption li span + span { white-space: nowrap; font-variant-numeric: tabular-nums; }
@media (max-width: 34rem) { .bars { display: none; } .facts { grid-template-columns: 1fr; }
  .facts dd { margin-bottom: .5rem; } section { padding: 1rem; } }
`;
