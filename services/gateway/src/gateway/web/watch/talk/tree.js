// Comments as rows: each directly before the replies to it that are shown, and how many more there are. No DOM.

const byTime = (one, other) => Date.parse(one.posted_at) - Date.parse(other.posted_at) || (one.comment_id < other.comment_id ? -1 : 1);

const at = ({ posted_at }) => Date.parse(posted_at);
const emoji = ({ reactions = [] }) => reactions.reduce((sum, { people }) => sum + people, 0);
const moment = ({ media_seconds: seconds }) => seconds ?? Infinity;
const newest = (one, other) => at(other) - at(one);
/** As the server has those at the top. */
const ORDERS = {
  newest,
  oldest: (one, other) => at(one) - at(other),
  top: (one, other) => emoji(other) - emoji(one) || newest(one, other),
  moment: (one, other) => (moment(one) === moment(other) ? at(one) - at(other) : moment(one) - moment(other)),
};

/**
 * What is known of a thread, as rows in order.
 *
 * `pages`: comments as the thread's pages tell them, in the order of those at the top. `opened`: by comment, all its
 * replies as far as they were asked for, `{ comments, hasMore }`. `own`: mine that the pages do not tell (yet), as
 * `{ comment, held, hidden }`. `said`: others of mine, which stand where they belong in the `order` of those at the top
 * (null: no such are added), as far as the pages came (`hasMore`). A row is `{ key, comment, depth, mine }` or, for replies that are not shown,
 * `{ key, more, parent, depth }`.
 */
export function rows({ pages, opened = new Map(), own = [], said = [], order = null, hasMore = false, base = 0 }) {
  const all = new Map();
  const told = [...pages, ...[...opened.values()].flatMap(({ comments }) => comments)];
  for (const comment of told) if (!all.has(comment.comment_id)) all.set(comment.comment_id, { comment, mine: null });
  const tops = pages.filter(({ parent }) => parent === null || !all.has(parent));
  put(said, { all, tops, opened, compare: ORDERS[order], hasMore });
  for (const mine of own) if (!all.has(mine.comment.comment_id)) all.set(mine.comment.comment_id, { comment: mine.comment, mine });

  const under = new Map();
  for (const known of all.values()) {
    const { parent } = known.comment;
    if (parent !== null) under.set(parent, [...(under.get(parent) ?? []), known]);
  }
  for (const replies of under.values()) replies.sort((one, other) => byTime(one.comment, other.comment));

  const found = [];
  const walk = ({ comment, mine }) => {
    const { comment_id: id } = comment;
    const depth = Math.max(0, comment.depth - base);
    found.push({ key: id, comment, depth, mine });
    const replies = under.get(id) ?? [];
    for (const reply of replies) walk(reply);
    const more = hidden(comment, replies, opened.get(id));
    if (more) found.push({ key: `${id} more`, more, parent: id, depth: depth + 1 });
  };
  // Mine that nobody else sees, and what I said just now, stand first: I want to know that it is there.
  for (const known of all.values()) if (known.mine && known.comment.parent === null) walk(known);
  for (const { comment_id: id } of tops) walk(all.get(id));
  return found;
}

/** Put mine among the others; what would stand further on comes with further pages, or not before these. */
function put(said, { all, tops, opened, compare, hasMore }) {
  for (const comment of [...said].sort(byTime)) {
    const { comment_id: id, parent } = comment;
    if (all.has(id)) continue;
    const known = { comment, mine: null, isAdded: true };
    if (parent !== null) {
      const replies = [...all.values()].filter((one) => one.comment.parent === parent);
      const isWithin = replies.some((one) => byTime(comment, one.comment) < 0);
      if (all.has(parent) && (isWithin || !hidden(all.get(parent).comment, replies, opened.get(parent)))) all.set(id, known);
    } else if (compare) {
      const place = tops.findIndex((top) => compare(comment, top) < 0);
      if (place < 0 && hasMore) continue;
      tops.splice(place < 0 ? tops.length : place, 0, comment);
      all.set(id, known);
    }
  }
}

/** How many replies are not shown: all of them are counted, and some are places of those that are gone. */
function hidden({ replies }, shown, opened) {
  const seen = shown.filter(({ comment, mine, isAdded }) => !mine && !isAdded && !comment.gone).length;
  const more = Math.max(0, replies - seen);
  if (!opened) return more;
  return opened.hasMore ? Math.max(1, more) : 0;
}
