-- Many firings made at once: what each row of them cost that one look at all of them answers as well.

-- What a firing refers to ---------------------------------------------------------------------------

-- A foreign key looks, and locks, once for each row: of a tick's ten thousand firings that was a fifth of Postgres's
-- time, and ticks beside each other locked the same few workspaces against each other's. These triggers keep the same
-- promise and look once for each statement: what firings refer to is there, and stays while they are.
alter table firings drop constraint firings_schedule_id_fkey, drop constraint firings_workspace_id_fkey;

-- Who deletes a workspace or a schedule waits for these locks, or has been waited for. Rows are found by their ids, also
-- by a plan that was made when there were few.
create function firings_refer_to_rows() returns trigger language plpgsql set enable_seqscan = off as $$
declare
  ids    uuid[] := array(select distinct b.workspace_id from born b);
  there  bigint;
begin
  select count(*) into there from (select from workspaces w where w.id = any(ids) for key share) as kept;
  if there <> cardinality(ids) then
    raise exception 'a firing is of no workspace that there is' using errcode = 'foreign_key_violation';
  end if;
  ids := array(select distinct b.schedule_id from born b where b.schedule_id is not null);
  select count(*) into there from (select from schedules s where s.id = any(ids) for key share) as kept;
  if there <> cardinality(ids) then
    raise exception 'a firing is of no schedule that there is' using errcode = 'foreign_key_violation';
  end if;
  return null;
end $$;
create trigger firings_refer_to_rows after insert on firings referencing new table as born
  for each statement execute function firings_refer_to_rows();

-- An older snapshot than the row's lock would not see the firings that were made meanwhile. A foreign key looks past
-- its snapshot; this does not, so it is asked under none.
create function firings_keep_what_they_refer_to() returns trigger language plpgsql as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'rows of % go in read committed only', tg_table_name using errcode = 'feature_not_supported';
  end if;
  if tg_table_name = 'workspaces' and exists (select from firings where workspace_id = old.id)
     or tg_table_name = 'schedules' and exists (select from firings where schedule_id = old.id) then
    raise exception '% of % stays while firings refer to it', old.id, tg_table_name using errcode = 'foreign_key_violation';
  end if;
  return null;
end $$;
create trigger firings_keep_their_workspace after delete on workspaces
  for each row execute function firings_keep_what_they_refer_to();
create trigger firings_keep_their_workspaces_id after update of id on workspaces
  for each row when (new.id <> old.id) execute function firings_keep_what_they_refer_to();
create trigger firings_keep_their_schedule after delete on schedules
  for each row execute function firings_keep_what_they_refer_to();
create trigger firings_keep_their_schedules_id after update of id on schedules
  for each row when (new.id <> old.id) execute function firings_keep_what_they_refer_to();

-- Names -------------------------------------------------------------------------------------------

-- The unique index finds every schedule of a workspace but the archived ones; who looks for those has one for them,
-- in which a new version of any other schedule is not entered.
drop index schedules_of_workspace;
create index schedules_archived on schedules (workspace_id, name) where status = 'archived';

select grant_roles();
