-- What the slot protocol's proofs asked for: numbers that no two rebuilds share, caps in the order of their
-- commits, skips that cannot overlap, and a firing's own copy of its success check.

-- A rebuild's number is drawn here, so that one that died, or was cut off and comes back, shares it with nobody.
create sequence epochs;

-- Each change of a cap makes a new version. The row is locked until the commit, so versions are in the order of
-- commits, and of two who tell the gate at once it believes the later one.
alter table epoch add column caps_version bigint not null default 0;
create function caps_have_changed() returns trigger language plpgsql as $$
begin
  update epoch set caps_version = caps_version + 1;
  return null;
end $$;
create trigger caps_have_changed after insert or delete or update of cap on limits
  for each statement execute function caps_have_changed();

-- A schedule's ranges of skips never overlap. A range of one id stands for equality, for which GiST would need an
-- extension that not every Postgres has.
create type uuid_range as range (subtype = uuid);
alter table skips add constraint skips_never_overlap exclude using gist (
  uuid_range(schedule_id, schedule_id, '[]') with &&, tstzrange(first_at, last_at, '[]') with &&);

-- What must hold for a firing to count as completed, as it was when the firing was made; and what the payload
-- said last, for whoever has to look at it in the worker's place.
alter table firings add column success_check jsonb;
alter table attempts add column exit_result text;

delete from role_grants where role = 'slotbeat_beat' and thing = 'schedule_firing_metrics';
update role_grants set rights = 'select' where role = 'slotbeat_api' and thing = 'schedule_firing_metrics';
insert into role_grants (role, rights, thing)
select role, 'usage, update', 'sequence epochs'
  from unnest('{slotbeat_worker, slotbeat_beat, slotbeat_api}'::text[]) as role;
insert into role_grants (role, rights, thing) values
  ('slotbeat_beat', 'insert (success_check)', 'firings'),
  ('slotbeat_api', 'insert (success_check)', 'firings'),
  ('slotbeat_worker', 'update (exit_result)', 'attempts');
select grant_roles();
