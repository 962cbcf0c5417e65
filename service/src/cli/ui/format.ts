/** "74.1 %", from 0-1. */
export const formatPercent = (share: number): string => `${(share * 100).toFixed(1)} %`;

/** A share as a bar of `width` characters, in eighths. */
export function formatBar(share: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  const part = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8] ?? '';
  return ('█'.repeat(Math.floor(eighths / 8)) + part).padEnd(width);
}

/** The start and the end of a text that is longer than `width`. */
export function shorten(text: string, width: number): string {
  if (text.length <= width || width < 5) return text;
  const head = Math.floor((width - 1) / 3);
  return `${text.slice(0, head)}…${text.slice(text.length - (width - 1 - head))}`;
}
