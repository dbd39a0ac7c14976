-- What the screens of parties show. `position` is the place in the log; places in a video are `media_seconds`.

create table party (
    party_id text collate "C" primary key,
    title text not null,
    media text not null,
    host text not null,
    private boolean not null,
    playing boolean not null,
    media_seconds double precision not null,
    rate double precision not null,
    media_at timestamptz not null,
    members integer not null,
    closed_at timestamptz,
    closed_because text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    position bigint not null
) with (fillfactor = 70);

create table member (
    party_id text collate "C" not null,
    uid text collate "C" not null,
    name text not null,
    joined_at timestamptz not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    position bigint not null,
    primary key (party_id, uid)
);
create index member_in_order on member (party_id, joined_at, uid);
