/** @param {string} id of an element in index.html */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/**
 * Creates an element. Strings become text nodes, never markup; `on…` properties become listeners, others attributes.
 * Children that are undefined, null or false are skipped.
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  element.append(
    ...children.flat().filter((child) => child !== undefined && child !== null && child !== false),
  );
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

/** A decorative symbol from index.html. */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  return svg;
}

/** The filled part of a bar. The width is set by script, because the policy allows no inline styles. */
export function fill(fraction, className = '') {
  const part = el('i', className ? { class: className } : {});
  part.style.width = `${Math.min(1, Math.max(0, fraction)) * 100}%`;
  return part;
}

/** A name and a value for a description list. */
export const fact = (name, value) => el('div', {}, el('dt', {}, name), el('dd', {}, value));
