// Where the links in a plain text are. Only addresses that are written out, and only http and https: `javascript:` and
// all else stays text. No dependencies, no DOM.

// Ends at spaces, quotes, angle brackets, and at characters that cannot be seen or turn the direction of writing.
const ADDRESS = /(?<![\p{L}\p{N}])https?:\/\/[^\s<>"'`“”«»\p{C}]+/giu;
const CLOSES = { ")": "(", "]": "[", "}": "{" };

/** A text as parts in order: `{ text }`, or `{ text, href }` for a link. Put together, they are the text again. */
export function parts(text) {
  const found = [];
  let from = 0;
  for (const { 0: whole, index } of text.matchAll(ADDRESS)) {
    const address = withoutEnd(whole);
    const href = hrefOf(address);
    if (href === null) continue;
    if (index > from) found.push({ text: text.slice(from, index) });
    found.push({ text: address, href });
    from = index + address.length;
  }
  if (from < text.length) found.push({ text: text.slice(from) });
  return found;
}

/** Full stops and brackets behind an address are the sentence's, unless the address opened the bracket itself. */
function withoutEnd(address) {
  for (;;) {
    const last = address.at(-1);
    const opens = CLOSES[last];
    const isOurs = opens ? count(address, opens) < count(address, last) : /[.,;:!?…*_~]/.test(last);
    if (!isOurs) return address;
    address = address.slice(0, -1);
  }
}

const count = (text, letter) => text.split(letter).length - 1;

/** Null for what is no address, and for one that pretends to be another by a name before an @. */
function hrefOf(address) {
  try {
    const { protocol, hostname, username, password, href } = new URL(address);
    const isWeb = protocol === "http:" || protocol === "https:";
    return isWeb && hostname && !username && !password ? href : null;
  } catch {
    return null;
  }
}
