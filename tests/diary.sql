create table page (
    uid text not null,
    page text not null,
    lines integer not null,
    text text not null,
    number integer not null check (number <> 666),
    position bigint not null,
    primary key (uid, page)
);
create table glance (
    uid text not null,
    page text not null,
    at timestamptz not null,
    primary key (uid, page)
);
