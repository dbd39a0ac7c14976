"""Why a film or an episode is shown as watched, or not."""

from collections.abc import Mapping
from functools import partial

from events.contracts.library import Explanation, Reason, Why, slot
from events.contracts.library.commands import episode_named
from events.definition import Answering
from events.messages import Context, Query
from events.projection import Db
from library.projections.groups import groups_of
from library.projections.rows import place
from library.projections.titles import known_of
from library.queries.common import shown
from library.rules import Rules
from library.title.reasons import ReasonSummary, reasons

REASONS = 200

WATCHED = "select watched from item where uid = $1 and work = $2 and season = $3 and episode = $4"
DEVICES = "select player, name from device where uid = $1 and player = any($2::text[])"


async def why(db: Db, query: Why, context: Context, rules: Rules) -> Explanation:
    """Decided anew from all that is known of the title: nobody asks often, and there may be thousands of reasons."""
    named = await shown(db, context, query.work, query.kind)
    episode = episode_named(named, query.episode)
    where = slot(episode)
    title = context.actor, named.work
    whole = (await known_of(db, await groups_of(db, [title]))).get(title)
    found = reasons(whole.title, whole.undone, whole.cleared_at) if whole is not None else []
    mine = [reason for reason in found if reason.slot == where][:REASONS]
    watched = await db.fetchval(WATCHED, context.actor, named.work, *place(where))
    devices = await db.fetch(DEVICES, context.actor, list({reason.player for reason in mine}))
    names = {row["player"]: row["name"] for row in devices}
    return Explanation(named.work, episode, bool(watched), [_reason(reason, names, rules) for reason in mine])


def _reason(reason: ReasonSummary, names: dict[str, str], rules: Rules) -> Reason:
    return Reason(
        what=reason.what,
        rule=reason.rule,
        device=names.get(reason.player, ""),
        source=reason.source,
        play=reason.play,
        at=reason.at,
        known_at=reason.known_at,
        counts=reason.counts,
        watched_share=reason.watched_share,
        really_watched=rules.really_watched(reason.watched_share),
    )


def queries(rules: Rules) -> Mapping[type[Query], Answering]:
    return {Why: partial(why, rules=rules)}
