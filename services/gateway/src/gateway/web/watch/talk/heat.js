// How much is said where in a film, as bars. No dependencies, no DOM.

/**
 * The bars of `comments.density` for a film of this duration (NaN while unknown): `{ from, to, share, count }`, the first
 * two as parts of the film's length, `share` of the strip's height. Few comments can be seen beside many.
 */
export function bars({ seconds, counts, most }, duration) {
  const length = Math.max(Number.isFinite(duration) ? duration : 0, Number.isFinite(duration) ? 0 : counts.length * seconds);
  if (!length || !most) return [];
  return counts.flatMap((count, part) => {
    const from = (part * seconds) / length;
    const to = Math.min(1, ((part + 1) * seconds) / length);
    return count && from < 1 ? [{ from, to, share: Math.sqrt(Math.min(1, count / most)), count }] : [];
  });
}

/** Where most is said: the beginnings, in seconds, of the three busiest parts, in the film's order. */
export function busiest({ seconds, counts }, most = 3) {
  return counts.map((count, part) => ({ count, at: part * seconds }))
    .filter(({ count }) => count > 0)
    .sort((one, other) => other.count - one.count || one.at - other.at)
    .slice(0, most).map(({ at }) => at).sort((one, other) => one - other);
}
