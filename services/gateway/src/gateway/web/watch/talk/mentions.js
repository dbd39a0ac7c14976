// Who is mentioned in a text. No dependencies, no DOM.

const MOST = 10;
const escaped = (text) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");

/** The ids of those of `people` (`{ uid, name }`) whose name stands behind an @; a longer name goes before a shorter. */
export function mentioned(text, people) {
  const found = new Set();
  let rest = text;
  for (const { uid, name } of [...people].sort((one, other) => other.name.length - one.name.length)) {
    if (!name) continue;
    const call = new RegExp(`(?<![\\p{L}\\p{N}])@${escaped(name)}(?![\\p{L}\\p{N}])`, "giu");
    if (!call.test(rest)) continue;
    rest = rest.replace(call, " ");
    found.add(uid);
  }
  return [...found].slice(0, MOST);
}
