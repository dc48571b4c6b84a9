-- What people do by hand: API tokens by name, sign-ins of the dashboard, repeated requests, a skip asked for.

create unique index api_tokens_one_name on api_tokens (name) where revoked_at is null;
alter table api_tokens add check (scopes <@ array['read', 'operate', 'force', 'admin'] and cardinality(scopes) > 0);

-- A browser that signed in with a token. Of its cookie only the hash is here.
create table sign_ins (
  hash        bytea primary key,
  token_id    uuid not null references api_tokens on delete cascade,
  created_at  moment not null default now(),
  expires_at  moment not null
);

-- How often an address showed a token that is none, since when.
create table failed_sign_ins (
  client    text primary key,
  failures  integer not null check (failures >= 1),
  since     moment not null default now()
);

-- What a request made, by the key that its caller drew: the same request again is answered the same.
drop table idempotency_keys;
create table idempotency_keys (
  caller        text not null,
  key           text not null,
  request_hash  bytea not null,
  made          uuid not null,
  at            moment not null default now(),
  primary key (caller, key)
);
create index idempotency_keys_oldest on idempotency_keys (at);

insert into role_grants (role, rights, thing) values
  ('slotbeat_api', 'select, insert, delete', 'sign_ins'),
  ('slotbeat_api', 'select, insert, update, delete', 'failed_sign_ins');
update role_grants set rights = 'select, insert, delete' where role = 'slotbeat_api' and thing = 'idempotency_keys';

-- The one occurrence that a person took out; beat records it as a skip when its time has come.
alter table schedules add column skip_next_at moment;
insert into role_grants (role, rights, thing) values
  ('slotbeat_beat', 'update (skip_next_at)', 'schedules'),
  ('slotbeat_api', 'update (skip_next_at)', 'schedules'),
  ('slotbeat_reader', 'select (skip_next_at)', 'schedules');
select grant_roles();
