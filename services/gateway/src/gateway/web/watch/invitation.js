// Links that lead into rooms: `/?party=<id>#key=<six digits>`. What is behind the # never reaches a server's log.

import * as store from "/watch/store.js";

/** The link into a room, with its key if we know one. */
export function invitation(id) {
  const key = store.keys.get(id);
  return `${location.origin}${pathTo(id, key)}`;
}

/** The same without its origin. */
export const pathTo = (id, key) => `/?party=${encodeURIComponent(id)}${key ? `#key=${key}` : ""}`;

/** The party and key in a link, or a party's bare id; null where there is none. */
export function read(text) {
  const given = text.trim();
  try {
    const { searchParams, hash } = new URL(given);
    return { id: searchParams.get("party"), key: new URLSearchParams(hash.slice(1)).get("key") };
  } catch {
    return { id: given || null, key: null };
  }
}

/** Which room this page was opened for. */
export const here = () => read(location.href);

/** Keep a room's key, for this page's own address too: that is what people copy and come back to. */
export function rememberKey(id, key) {
  if (!key) return;
  store.keys.put(id, key);
  if (here().id === id) history.replaceState(null, "", pathTo(id, key));
}
