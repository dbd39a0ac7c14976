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
create index comment_visible on comment (thread_id, posted_at) include (uid) where visible;
create index comment_of on comment (uid, posted_at);

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

-- Each emoji that somebody has put on a comment, and how many people did; of comments nobody sees, too. What was put on
-- in the `shadow` counts nowhere.
create table reaction (
    uid text collate "C" not null,
    thread_id text collate "C" not null,
    comment_id text collate "C" not null,
    emoji text collate "C" not null,
    shadow boolean not null,
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

-- How far somebody has read: in a thread, or of their notifications. Filled by telemetry whose last word is kept.
create table mark (
    uid text collate "C" not null,
    about text collate "C" not null,
    upto timestamptz not null,
    primary key (uid, about)
) with (fillfactor = 80);

-- Rooms, moderation and notifications.
-- How rooms are run. `said` counts the lines that everybody saw when they were said, `unseen` the others, `shown` those
-- of both that are kept and can be seen.
create table room (
    room text collate "C" primary key,
    open boolean not null,
    slow_seconds double precision not null,
    links text not null,
    words text[] not null default '{}',
    pinned text collate "C",
    said bigint not null,
    unseen bigint not null,
    shown integer not null,
    position bigint not null
) with (fillfactor = 50);

-- The newest lines of each room, by `number`: how many had been said when it was. Lines that others did not see at first
-- have an `aside` besides, and make no other line leave earlier. `position` is that of the commit that said it.
create table line (
    room text collate "C" not null,
    line text collate "C" not null,
    uid text collate "C" not null,
    name text not null,
    avatar text not null,
    text text not null,
    answers text collate "C",
    media_seconds double precision,
    mentions text[] not null,
    at timestamptz not null,
    veil text not null,
    rule text not null,
    number bigint not null,
    aside bigint,
    position bigint not null,
    primary key (room, line)
) with (fillfactor = 90);
create index line_shown on line (room, position) where veil = '';
create index line_veiled on line (room, position) where veil <> '';
create index line_numbered on line (room, number);
create index line_aside on line (room, aside) where aside is not null;
create index line_of on line (uid, position);

-- How people call themselves in a room, as of the newest line of theirs that everybody may have seen.
create table person (
    room text collate "C" not null,
    uid text collate "C" not null,
    name text not null,
    avatar text not null,
    at timestamptz not null,
    position bigint not null,
    primary key (room, uid)
) with (fillfactor = 80);
create index person_latest on person (room, position);
create index person_of on person (uid, at);

create table live (
    live_id text collate "C" primary key,
    title text not null,
    media text,
    owner text collate "C" not null,
    session integer not null,
    started_at timestamptz not null,
    ended_at timestamptz,
    reason text,
    -- In nobody's list but its owner's.
    unlisted boolean not null,
    position bigint not null
);
create index live_on on live (started_at) where ended_at is null;
create index live_started on live (started_at);
create index live_of on live (owner, started_at);

create table live_moderator (
    live_id text collate "C" not null,
    uid text collate "C" not null,
    at timestamptz not null,
    position bigint not null,
    primary key (live_id, uid)
);
create index live_moderator_of on live_moderator (uid);

-- The newest sample of each live event, from telemetry.
create table audience (
    live_id text collate "C" primary key,
    session integer not null,
    viewers integer not null,
    most integer not null,
    at timestamptz not null,
    position bigint not null
) with (fillfactor = 50);

-- What moderators have said about people, at a place: a room, or `site` for everywhere. What is over is still here.
create table standing (
    place text collate "C" not null,
    uid text collate "C" not null,
    muted boolean not null,
    muted_until timestamptz,
    muted_by text collate "C" not null,
    muted_at timestamptz,
    muted_because text not null,
    shadow boolean not null,
    banned boolean not null,
    banned_until timestamptz,
    banned_by text collate "C" not null,
    banned_at timestamptz,
    banned_because text not null,
    position bigint not null,
    primary key (place, uid)
);
create index standing_of on standing (uid);


-- What people reported: `subject` is the thread or the room, `place` where its moderators look.
create table report (
    subject text collate "C" not null,
    id text collate "C" not null,
    uid text collate "C" not null,
    place text collate "C" not null,
    why text not null,
    words text not null,
    at timestamptz not null,
    open boolean not null,
    position bigint not null,
    primary key (subject, id, uid)
);
create index report_open on report (place, subject, id) where open;
create index report_of on report (uid, subject, id);

-- Which moderator did what; `uid` is whom it concerned, `id` the comment or the line.
create table deed (
    position bigint not null,
    nth integer not null,
    place text collate "C" not null,
    type text not null,
    by text collate "C" not null,
    uid text collate "C",
    thread_id text collate "C",
    room text collate "C",
    id text collate "C",
    reason text not null,
    until timestamptz,
    shadow boolean not null,
    at timestamptz not null,
    primary key (position, nth)
);

-- What others do not see because a rule holds it back or its author speaks in the shadow, and whom it concerns: unless
-- they were `told` before, they are when a moderator shows it.
create table unshown (
    subject text collate "C" not null,
    id text collate "C" not null,
    uid text collate "C" not null,
    shadow boolean not null,
    told boolean not null,
    answered text collate "C",
    mentions text[] not null,
    position bigint not null,
    primary key (subject, id)
);

-- What people are told of; what it says is in the comment or the line. `veiled` for as long as nobody sees that.
create table notification (
    uid text collate "C" not null,
    position bigint not null,
    nth integer not null,
    kind text not null,
    subject text collate "C" not null,
    id text collate "C" not null,
    by text collate "C" not null,
    at timestamptz not null,
    veiled boolean not null,
    primary key (uid, position, nth)
);
create index notification_about on notification (subject, id);

-- When they are filled.
-- Indexes that only queries use, not projections: a rebuild makes them last, which takes less than row by row.

-- Those at the top, which have no parent, and the replies to each.
create index if not exists comment_in_order on comment (thread_id, coalesce(parent, ''), posted_at, comment_id)
    where shown;
-- Apart from each other those at the top and replies, at whichever depth.
create index if not exists comment_by_reactions
    on comment (thread_id, least(depth, 1), reactions, posted_at, comment_id) where shown and reactions > 0;
create index if not exists comment_at_moment on comment (thread_id, media_seconds, posted_at, comment_id)
    where shown and media_seconds is not null;
create index if not exists comment_answering on comment (parent_uid)
    where visible and party_id is null and parent_uid is not null;
create index if not exists author_in_order on author (thread_id, position);
create index if not exists said_words on said using gin (search);
-- What others do not see, though it is there: for moderators.
create index if not exists comment_veiled on comment (coalesce(party_id, ''), posted_at)
    where veil <> '' and gone is null;
create index if not exists deed_latest on deed (place, position, nth);
create index if not exists deed_by on deed (by, position, nth);
