const UNITS = ['bytes', 'KB', 'MB', 'GB', 'TB'];

/** 20971520 -> "21 MB" (units of 1,000, as file managers show them). */
export function bytes(count) {
  let value = count;
  let unit = 0;
  for (; value >= 999.5 && unit < UNITS.length - 1; unit++) value /= 1000;
  return `${value < 9.95 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** 0.6213 -> "62.1 %"; a tiny share is not shown as 0. */
export function percent(fraction) {
  if (fraction > 0 && fraction < 0.0005) return '< 0.1 %';
  return `${(fraction * 100).toFixed(1)} %`;
}

/** "Egyptian_cat" -> "Egyptian cat". */
export const readable = (label) => label.replaceAll('_', ' ');

/** A path as text with places to break after each `/`. */
export const pathParts = (path) =>
  path.split(/(?<=\/)/).flatMap((part, at) => (at === 0 ? [part] : [document.createElement('wbr'), part]));

/** 4.13 -> "4.1 ms"; 1234 -> "1.23 s". */
export function milliseconds(value) {
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

/** 190 -> "3 min 10 s". Seconds. */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export const number = (value) => value.toLocaleString('en');

/** 1, "picture" -> "1 picture"; 2 -> "2 pictures". */
export const plural = (count, noun) => `${number(count)} ${noun}${count === 1 ? '' : 's'}`;

/** "Nov 22, 9:30 AM" in the user's locale; with the year if it is not the current one. */
export function moment(iso) {
  const date = new Date(iso);
  const year = date.getFullYear() === new Date().getFullYear() ? {} : { year: 'numeric' };
  return date.toLocaleString([], {
    ...year,
    month: 'short',
    day: 'numeric',
    hour: 'numeric',
    minute: '2-digit',
  });
}

/** 1234.5 -> "$1,234.50"; sums below 10 cents with four decimals. */
export function dollars(usd) {
  if (usd > 0 && usd < 0.0001) return 'less than $0.0001';
  const digits = usd < 0.1 ? 4 : 2;
  return `$${usd.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}
