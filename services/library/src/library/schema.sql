-- Titles. What is written down of each event alone (`fact`, `title_state`, `taken`, `joined`, `undone`, `cleared`,
-- `device`, `heartbeat`) decides all the other rows, so that it does not matter in which order log and telemetry are
-- read, nor where they are cut into batches.
-- A film has season and episode -1. A title that has several ids is shown under one of them, in `title`, `item` and
-- `play`; all the other tables know it under the id that was used.

-- Everything that was ever said of a title, to show a library as it was. Whatever concerns several titles (joined ids,
-- undone imports, a cleared history) has the empty work.
create table fact (
    uid text collate "C" not null,
    work text collate "C" not null,
    position bigint not null,
    nth integer not null,
    known_at timestamptz not null,
    body bytea not null,
    primary key (uid, work, position, nth)
);

-- The merge of all facts of a title, for the next ones to be merged in.
create table title_state (
    uid text collate "C" not null,
    work text collate "C" not null,
    known_at timestamptz not null,
    state bytea not null,
    primary key (uid, work)
) with (fillfactor = 80);

-- Which titles an import or a tracker has brought something for.
create table taken (
    uid text collate "C" not null,
    source text collate "C" not null,
    work text collate "C" not null,
    primary key (uid, source, work)
);

-- The ids of works that have several: which of them each is shown under, and its place among its likes.
create table joined (
    uid text collate "C" not null,
    work text collate "C" not null,
    shown_as text collate "C" not null,
    nth integer not null,
    primary key (uid, work)
);
create index joined_shown on joined (uid, shown_as, nth);

-- What the person and each of their imports have joined, as JSON; `joined` follows from it.
create table joining (
    uid text collate "C" primary key,
    layers bytea not null
);

-- Imports that were taken back.
create table undone (
    uid text collate "C" not null,
    source text collate "C" not null,
    primary key (uid, source)
);

-- Up to when a history was cleared.
create table cleared (
    uid text collate "C" primary key,
    at timestamptz not null
);

-- What devices are called.
create table device (
    uid text collate "C" not null,
    player text collate "C" not null,
    name text not null,
    primary key (uid, player)
);

-- The newest position of each session, by its own clock.
create table heartbeat (
    uid text collate "C" not null,
    work text collate "C" not null,
    season integer not null,
    episode integer not null,
    session text collate "C" not null,
    media_seconds double precision not null,
    duration double precision,
    watched_seconds double precision,
    player text not null,
    own timestamptz not null,
    at timestamptz not null,
    primary key (uid, work, season, episode, session)
) with (fillfactor = 50);

-- A film or an episode that was played, marked or brought by an import.
create table item (
    uid text collate "C" not null,
    work text collate "C" not null,
    season integer not null,
    episode integer not null,
    -- It has a position.
    played boolean not null,
    -- It was begun, and not watched to the end since.
    going boolean not null,
    media_seconds double precision not null,
    duration double precision,
    session text not null,
    player text not null,
    watched_seconds double precision,
    completed_at timestamptz,
    watched boolean not null,
    watched_at timestamptz,
    plays integer not null,
    updated_at timestamptz not null,
    -- Of the facts of its session, if it goes on: what a heartbeat is to be measured by.
    points bytea,
    primary key (uid, work, season, episode)
) with (fillfactor = 70);

-- The history.
create table play (
    uid text collate "C" not null,
    work text collate "C" not null,
    season integer not null,
    episode integer not null,
    play text collate "C" not null,
    -- The id of the title that was used.
    known_as text collate "C" not null,
    watched_at timestamptz,
    player text not null,
    rule text not null,
    source text not null,
    watched_seconds double precision,
    -- What it counts for in statistics: played, or else as long as it is.
    seconds double precision,
    -- Of the film or the episode, as its player told it.
    duration double precision,
    primary key (uid, work, season, episode, play)
);
create index play_latest on play
    (uid, coalesce(watched_at, '-infinity') desc, work desc, season desc, episode desc, play desc);

-- A title as it is shown: what its owner decided, what was touched last of it, and what there is to go on with.
create table title (
    uid text collate "C" not null,
    work text collate "C" not null,
    in_watchlist boolean not null,
    status text,
    reaction text,
    favourite boolean not null,
    hidden boolean not null,
    progress double precision,
    legacy_status text,
    kind text,
    details jsonb,
    watched_episodes integer not null,
    updated_at timestamptz not null,
    -- The film or episode that was touched last.
    last_season integer,
    last_episode integer,
    played_at timestamptz,
    continues boolean not null,
    continue_season integer,
    continue_episode integer,
    continue_seconds double precision,
    continue_duration double precision,
    continue_player text,
    continue_at timestamptz,
    -- How far it is follows from one position.
    film boolean not null,
    primary key (uid, work)
) with (fillfactor = 70);
create index title_latest on title (uid, updated_at desc, work desc);
create index title_wanted on title (uid, updated_at desc, work desc) where in_watchlist;
create index title_played on title (uid, played_at desc, work desc) where played_at is not null;
create index title_continues on title (uid, continue_at desc, work desc) where continues;

-- Erasures. `whom` and not `uid`: whatever says in `uid` whose it is goes when that person is erased, and this stays.
create table erasure (
    whom text collate "C" primary key,
    erasure text not null,
    by text not null,
    asked_at timestamptz not null,
    done_at timestamptz,
    services jsonb not null,
    position bigint not null
);
create index erasure_waits on erasure (asked_at) where done_at is null;

-- Addons, in the order of `place`. `addons` is the merge that decides what is shown, of each person.

create table addons (
    uid text collate "C" primary key,
    state bytea not null,
    position bigint not null
);

-- What each source (the empty one is the person, all others are imports) says of an addon; one of them is shown.
create table addon_given (
    uid text collate "C" not null,
    addon_id text collate "C" not null,
    source text collate "C" not null,
    transport_url text not null,
    manifest text not null,
    warnings text[] not null,
    primary key (uid, addon_id, source)
);

create table addon (
    uid text collate "C" not null,
    addon_id text collate "C" not null,
    source text collate "C" not null,
    transport_url text not null,
    manifest text not null,
    warnings text[] not null,
    official boolean not null,
    protected boolean not null,
    place text collate "C" not null,
    installed_at timestamptz not null,
    updated_at timestamptz not null,
    position bigint not null,
    primary key (uid, addon_id)
);
create index addon_order on addon (uid, place, addon_id);

-- Who people are. `state` is the merge that decides; what was edited stands before what the token says.

create table profile (
    uid text collate "C" primary key,
    state bytea not null,
    display_name text not null,
    avatar text not null,
    claimed_name text not null,
    claimed_picture text not null,
    email text not null,
    created_at timestamptz,
    preferences text not null,
    position bigint not null
) with (fillfactor = 80);

-- Lists. What each source said of a list and its items (`list_source`, `list_put`; the empty one is the person, all
-- others are imports) decides, with `undone`, what is `shown` and what `list_item` holds.

create table list (
    uid text collate "C" not null,
    list_id text collate "C" not null,
    name text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    shown boolean not null,
    items integer not null,
    primary key (uid, list_id)
) with (fillfactor = 80);

-- Where lists stand among each other.
create table shelved (
    uid text collate "C" not null,
    list_id text collate "C" not null,
    "order" text collate "C" not null,
    primary key (uid, list_id)
);

create table list_source (
    uid text collate "C" not null,
    list_id text collate "C" not null,
    source text collate "C" not null,
    primary key (uid, list_id, source)
);
create index list_source_of on list_source (uid, source) where source <> '';

-- Without an `order` it was taken off.
create table list_put (
    uid text collate "C" not null,
    list_id text collate "C" not null,
    work text collate "C" not null,
    source text collate "C" not null,
    "order" text collate "C",
    at timestamptz not null,
    op text collate "C" not null,
    kind text,
    title text not null,
    poster text not null,
    added_at timestamptz not null,
    primary key (uid, list_id, work, source)
);
create index list_put_of on list_put (uid, source) where source <> '';

create table list_item (
    uid text collate "C" not null,
    list_id text collate "C" not null,
    work text collate "C" not null,
    "order" text collate "C" not null,
    -- Of the word that decided it, which decides also between several ids of one work.
    at timestamptz not null,
    op text collate "C" not null,
    kind text,
    title text not null,
    poster text not null,
    added_at timestamptz not null,
    primary key (uid, list_id, work)
);
create index list_item_in_order on list_item (uid, list_id, "order", work);
create index list_item_held on list_item (uid, work);

-- Imports. `taken` counts what they have brought so far, as it happens.
create table import (
    uid text collate "C" not null,
    import_id text collate "C" not null,
    upload text not null,
    format text not null,
    file_name text not null,
    state text not null,
    dry_run boolean not null,
    replace boolean not null,
    confirmed boolean not null,
    counts jsonb,
    taken integer not null,
    share double precision not null,
    reasons jsonb not null,
    skipped jsonb not null,
    error text not null,
    details jsonb not null,
    at timestamptz not null,
    updated_at timestamptz not null,
    primary key (uid, import_id)
) with (fillfactor = 80);
create index import_latest on import (uid, at desc, import_id desc);
create index import_under_way on import (at) where state in ('reading', 'applying');
