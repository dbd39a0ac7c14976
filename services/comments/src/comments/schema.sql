-- What is said about films, and in rooms. `position` is the place in the log; places in a video are `media_seconds`.
-- Others see a comment while it is `visible`: nothing veils it and it is not gone. It is `shown` while it is visible, or
-- holds together replies that are.

create table thread (
    thread_id text collate "C" primary key,
    media text not null,
    season integer,
    episode integer,
    party_id text collate "C",
    title text,
    begun_by text collate "C" not null,
    begun_at timestamptz not null,
    -- From here on what changes often and is in no index, so that a change touches the row alone.
    locked boolean not null,
    -- In the order of pinning.
    pins text[] collate "C" not null,
    -- Of visible comments: all, their authors, those that answer others, those at a moment, the emoji on them.
    comments integer not null,
    people integer not null,
    replies integer not null,
    timed integer not null,
    reactions integer not null,
    latest_at timestamptz
) with (fillfactor = 70);

create table comment (
    thread_id text collate "C" not null,
    comment_id text collate "C" not null,
    party_id text collate "C",
    uid text collate "C" not null,
    name text not null,
    avatar text not null,
    -- Empty once it is gone.
    text text not null,
    media_seconds double precision,
    spoiler boolean not null,
    posted_at timestamptz not null,
    edited_at timestamptz,
    veil text not null,
    rule text not null,
    gone text,
    visible boolean not null,
    shown boolean not null,
    parent text collate "C",
    parent_uid text collate "C",
    root text collate "C",
    depth integer not null,
    -- Of replies that are shown: direct ones, and, of a comment at the top, all below it.
    replies integer not null,
    all_replies integer not null,
    reactions integer not null,
    mentions text[] collate "C" not null,
    language text,
    -- Of the commit that posted it.
    position bigint not null,
    primary key (thread_id, comment_id)
) with (fillfactor = 85);
-- Those at the top, which have no parent, and the replies to each.
create index comment_in_order on comment (thread_id, coalesce(parent, ''), posted_at, comment_id) where shown;
create index comment_by_reactions on comment (thread_id, (parent is null), reactions, posted_at, comment_id)
    where shown and reactions > 0;
create index comment_at_moment on comment (thread_id, (parent is null), media_seconds, posted_at, comment_id)
    where shown and media_seconds is not null;
create index comment_visible on comment (thread_id, posted_at) include (uid) where visible;
create index comment_of on comment (uid, posted_at);
create index comment_answering on comment (parent_uid) where visible and party_id is null and parent_uid is not null;

-- What a comment said until `until`.
create table edit (
    thread_id text collate "C" not null,
    comment_id text collate "C" not null,
    position bigint not null,
    text text not null,
    spoiler boolean not null,
    until timestamptz not null,
    primary key (thread_id, comment_id, position)
);

-- Who wrote in a thread: comments that are visible, all that are not gone, and the commit of the last one.
create table author (
    uid text collate "C" not null,
    thread_id text collate "C" not null,
    visible integer not null,
    comments integer not null,
    position bigint not null,
    primary key (uid, thread_id)
) with (fillfactor = 80);
create index author_in_order on author (thread_id, position);

-- Visible comments by part of the video, and by day in UTC.
create table strip (
    thread_id text collate "C" not null,
    part integer not null,
    comments integer not null,
    primary key (thread_id, part)
) with (fillfactor = 70);
create table day (
    thread_id text collate "C" not null,
    day date not null,
    party_id text collate "C",
    comments integer not null,
    primary key (thread_id, day)
) with (fillfactor = 70);
create index day_lately on day (day) where party_id is null;

-- Each emoji that somebody has put on a comment, and how many people did; of comments nobody sees, too.
create table reaction (
    uid text collate "C" not null,
    thread_id text collate "C" not null,
    comment_id text collate "C" not null,
    emoji text collate "C" not null,
    at timestamptz not null,
    position bigint not null,
    primary key (uid, thread_id, comment_id, emoji)
);
create table reacted (
    thread_id text collate "C" not null,
    comment_id text collate "C" not null,
    emoji text collate "C" not null,
    people integer not null,
    primary key (thread_id, comment_id, emoji)
) with (fillfactor = 70);

-- The words of visible comments, as `projections.search` finds them; newest is last.
create table said (
    position bigint primary key,
    thread_id text collate "C" not null,
    comment_id text collate "C" not null,
    party_id text collate "C",
    search tsvector not null
);
create index said_words on said using gin (search);

-- How far somebody has read: in a thread, or of their notifications. Filled by telemetry whose last word is kept.
create table mark (
    uid text collate "C" not null,
    about text collate "C" not null,
    upto timestamptz not null,
    primary key (uid, about)
) with (fillfactor = 80);

-- Rooms, moderation and notifications.
