create table account (
    account_id text primary key,
    owner text not null,
    name text not null,
    balance bigint not null,
    label text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    position bigint not null
);
create table movement (
    position bigint not null,
    number integer not null,
    account_id text not null,
    amount bigint not null constraint sane check (abs(amount) <> 666),
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (position, number)
);
create table audit (
    hour text primary key,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    position bigint not null
);
