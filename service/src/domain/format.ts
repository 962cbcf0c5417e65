/** "1,234" in every locale. */
export const formatCount = (value: number): string => Math.round(value).toLocaleString('en-US');

/** "3 images", "1 image". */
export const plural = (count: number, noun: string): string =>
  `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;

/** Three significant digits, at most: "28.9", "0.035", "1,234". */
export function formatNumber(value: number): string {
  if (Math.abs(value) >= 100) return formatCount(value);
  return String(Number(value.toPrecision(3)));
}

/** "< 0.1 s", "0.4 s", "12 s", "2 min 5 s", "1 h 55 min", "3 d 4 h"; from seconds. */
export function formatDuration(seconds: number): string {
  if (seconds > 0 && seconds < 0.05) return '< 0.1 s';
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const units = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ] as const;
  const first = units.findIndex(([, size]) => whole >= size);
  const [big, small] = [units[first], units[first + 1]];
  if (!big || !small) return `${whole} s`;
  // Rounded to the smaller unit first, so that 59.9 minutes do not become "0 h 60 min".
  const rounded = Math.round(whole / small[1]) * small[1];
  const rest = Math.round((rounded % big[1]) / small[1]);
  return `${Math.floor(rounded / big[1])} ${big[0]}${rest > 0 ? ` ${rest} ${small[0]}` : ''}`;
}

/** "12.4 MB". */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(0)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

/** "$12.34"; small sums with the digits that matter. */
export function formatDollars(usd: number): string {
  if (usd === 0) return '$0';
  if (usd < 0.0001) return '< $0.0001';
  if (usd < 0.1) return `$${usd.toFixed(4)}`;
  return `$${usd.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
}
