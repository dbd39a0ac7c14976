-- What the screens of parties show. `position` is the place in the log (of telemetry: in its stream); places in a video
-- are `media_seconds`.

create table party (
    party_id text collate "C" primary key,
    title text not null,
    words text not null,
    search tsvector generated always as (array_to_tsvector(string_to_array(words, ' '))) stored,
    media text not null,
    media_title text,
    season integer,
    episode integer,
    file_index integer,
    source text not null,
    last_source text not null,
    host text collate "C" not null,
    private boolean not null,
    locked boolean not null,
    settings jsonb not null,
    opened_at timestamptz not null,
    closed_at timestamptz,
    closed_because text,
    -- From here on what changes often and is in no index, so that a change touches the row alone.
    playing boolean not null,
    media_seconds double precision not null,
    rate double precision not null,
    media_at timestamptz not null,
    hold jsonb,
    last_what text,
    last_by text,
    last_at timestamptz,
    members integer not null,
    missing_since timestamptz,
    missing_until timestamptz,
    closes_at timestamptz,
    updated_at timestamptz not null,
    position bigint not null
) with (fillfactor = 70);
create index party_listed on party (opened_at desc, party_id) where not private and closed_at is null;
create index party_found on party using gin (search) where not private and closed_at is null;

-- Who is in. `role` is that of a co-host or a member; who is host, the party says.
create table member (
    party_id text collate "C" not null,
    uid text collate "C" not null,
    role text not null,
    ready boolean not null,
    excused boolean not null,
    pardoned boolean not null,
    skips boolean not null,
    joined_at timestamptz not null,
    position bigint not null,
    primary key (party_id, uid)
) with (fillfactor = 80);
create index member_in_order on member (party_id, joined_at, uid);
create index member_skips on member (party_id) where skips;
create index member_of on member (uid);

-- Who dropped out of sight, and comes back without a key; `joined_at` is when they had come in.
create table unseen (
    party_id text collate "C" not null,
    uid text collate "C" not null,
    joined_at timestamptz not null,
    position bigint not null,
    primary key (party_id, uid)
);
create index unseen_of on unseen (uid);

-- How people call themselves in a party, or did when they left it: the one place where they are named.
create table person (
    party_id text collate "C" not null,
    uid text collate "C" not null,
    name text not null,
    avatar text not null,
    status text not null,
    position bigint not null,
    primary key (party_id, uid)
);
create index person_of on person (uid);

create table ban (
    party_id text collate "C" not null,
    uid text collate "C" not null,
    by text collate "C" not null,
    reason text not null,
    at timestamptz not null,
    position bigint not null,
    primary key (party_id, uid)
);

-- What is queued. Besides, at place -1, the item that left the queue last to be watched: an undo puts it back.
create table item (
    party_id text collate "C" not null,
    item text collate "C" not null,
    place integer not null,
    media text not null,
    media_title text,
    season integer,
    episode integer,
    file_index integer,
    source text not null,
    by text collate "C" not null,
    added_at timestamptz not null,
    position bigint not null,
    primary key (party_id, item)
);

create table vote (
    party_id text collate "C" not null,
    item text collate "C" not null,
    uid text collate "C" not null,
    position bigint not null,
    primary key (party_id, item, uid)
);
create index vote_of on vote (party_id, uid);

-- The timeline: one row per event, `nth` within its commit. Whoever is named in it is named by `person`.
create table happened (
    party_id text collate "C" not null,
    position bigint not null,
    nth integer not null,
    type text not null,
    at timestamptz not null,
    by text collate "C" not null,
    uid text collate "C",
    media_seconds double precision not null,
    details jsonb not null,
    primary key (party_id, position, nth)
);

-- Filled by telemetry that is kept for six hours: what no rebuild brings back in full, and no comparison looks at.

-- The newest sample of each party.
create table audience (
    party_id text collate "C" primary key,
    at timestamptz not null,
    viewers integer not null,
    position bigint not null
) with (fillfactor = 50);

-- When each member was last heard, and how they were in sync then; gone with the sample that says so.
create table heard (
    party_id text collate "C" not null,
    uid text collate "C" not null,
    at timestamptz not null,
    drift double precision,
    state text not null,
    position bigint not null,
    primary key (party_id, uid)
) with (fillfactor = 50);

create table sync_sample (
    position bigint primary key,
    party_id text collate "C" not null,
    at timestamptz not null,
    media_seconds double precision not null,
    playing boolean not null,
    present integer not null,
    -- Of those in `sync_member`: all, those whose drift counts, and what they come to.
    heard integer not null,
    judged integer not null,
    in_sync integer not null,
    same_frame integer not null,
    stalls integer not null,
    seeks integer not null
);
create index sync_sample_of_party on sync_sample (party_id, at);
create index sync_sample_at on sync_sample (at);

-- One row per member and sample.
create table sync_member (
    position bigint not null,
    uid text collate "C" not null,
    drift double precision,
    state text not null,
    stalls integer not null,
    seeks integer not null,
    rtt double precision not null,
    primary key (position, uid)
);
