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

create view progress as
select uid, work, season, episode, item.finished, item.completed_at, item.next_season, item.next_episode,
       case when heartbeat.updated_at > item.updated_at then heartbeat.media_seconds else item.media_seconds
        end as media_seconds,
       case when heartbeat.updated_at > item.updated_at then coalesce(heartbeat.duration, item.duration)
            else item.duration end as duration,
       case when heartbeat.updated_at > item.updated_at then heartbeat.device else item.device end as device,
       greatest(item.updated_at, heartbeat.updated_at) as updated_at
  from item left join heartbeat using (uid, work, season, episode);
