-- Wrapped keys of people. Never rebuilt from the log: without a row here, that person's names stay unreadable, which is
-- what erasing somebody means.
create schema if not exists vault;
alter schema vault owner to vault_owner;
create table if not exists vault.person_key (
    uid text primary key,
    wrapped bytea not null,
    created_at timestamptz not null default now()
);
alter table vault.person_key owner to vault_owner;
