-- What people watch. `item` is filled by the log, `heartbeat` by the compacted telemetry, `title` and `progress` follow
-- from these two alone, so that it does not matter in which order log and telemetry are read.
-- `position` is the place in the log (of heartbeats: in the telemetry); places in a video are `media_seconds`.
-- A film has season and episode -1.

create table item (
    uid text collate "C" not null,
    work text collate "C" not null,
    season integer not null,
    episode integer not null,
    media_seconds double precision not null,
    duration double precision,
    device text not null,
    finished boolean not null,
    completed_at timestamptz,
    next_season integer,
    next_episode integer,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    position bigint not null,
    primary key (uid, work, season, episode)
) with (fillfactor = 80);

create table heartbeat (
    uid text collate "C" not null,
    work text collate "C" not null,
    season integer not null,
    episode integer not null,
    media_seconds double precision not null,
    duration double precision,
    device text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    position bigint not null,
    primary key (uid, work, season, episode)
) with (fillfactor = 50);

-- The item of each title that was touched last, and whether there is something to go on with.
create table title (
    uid text collate "C" not null,
    work text collate "C" not null,
    season integer not null,
    episode integer not null,
    continues boolean not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    position bigint not null,
    primary key (uid, work)
) with (fillfactor = 80);
create index title_latest on title (uid, updated_at desc, work desc);
create index title_continues on title (uid, updated_at desc, work desc) where continues;

-- The limit tells the planner that the whole key finds one row, also while nobody has analyzed the tables yet.
create view progress as
select item.uid, item.work, item.season, item.episode,
       coalesce(newer.media_seconds, item.media_seconds) as media_seconds,
       coalesce(newer.duration, item.duration) as duration,
       coalesce(newer.device, item.device) as device,
       item.finished, item.completed_at, item.next_season, item.next_episode,
       item.created_at, coalesce(newer.updated_at, item.updated_at) as updated_at, item.position
  from item
  left join lateral (
      select media_seconds, duration, device, updated_at from heartbeat
       where (uid, work, season, episode) = (item.uid, item.work, item.season, item.episode)
         and updated_at > item.updated_at
       limit 1) as newer on true;

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

create table addon (
    uid text collate "C" not null,
    addon_id text collate "C" not null,
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
