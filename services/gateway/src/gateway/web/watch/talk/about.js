// Which thread is meant, and what one has just said there. No dependencies, no DOM.

const known = (value) => value !== null && value !== undefined;

/** The arguments that name the thread about what a party watches: its own (`room`), or the one for everybody. */
export function about({ media, season, episode }, party_id, scope) {
  return { media, ...(known(season) && { season }), ...(known(episode) && { episode }), ...(scope === "room" && { party_id }) };
}

/** A comment that was only just taken, as others will see it. */
export function justSaid({ thread_id, comment_id }, { text, parent, media_seconds, spoiler, mentions }, { uid, name }) {
  return {
    thread_id, comment_id, parent: parent?.comment_id ?? null, depth: parent ? parent.depth + 1 : 0, uid, name, avatar: "",
    text: text.normalize("NFC"), media_seconds, spoiler, pinned: false, posted_at: new Date().toISOString(), edited_at: null, gone: null,
    reactions: [], replies: 0, all_replies: 0, mentions, language: null,
  };
}
