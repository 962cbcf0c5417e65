/**
 * How much an Accept header wants a media type, from 0 (not at all) to 1 (RFC 9110, 12.5.1): the most specific range that
 * matches decides.
 */
export function quality(accept: string, type: string): number {
  const [main] = type.split('/');
  const wanted = [type, `${main}/*`, '*/*'];
  let best = { rank: wanted.length, q: 0 };
  for (const range of accept.toLowerCase().split(',')) {
    const [name = '', ...parameters] = range.split(';').map((part) => part.trim());
    const rank = wanted.indexOf(name);
    if (rank === -1 || rank >= best.rank) continue;
    const given = parameters.find((parameter) => parameter.startsWith('q='));
    const q = given === undefined ? 1 : Number(given.slice(2));
    best = { rank, q: q >= 0 && q <= 1 ? q : 0 };
  }
  return best.q;
}

/** True when the header asks for `type` rather than for `other`. No header asks for nothing in particular. */
export function prefers(accept: string | undefined, type: string, other: string): boolean {
  return accept !== undefined && quality(accept, type) > quality(accept, other);
}
