-- What Postgres refuses, whoever asks: illegal moves, changed tokens, running firings without slots.

create function firing_moves_lawfully() returns trigger language plpgsql as $$
begin
  if old.status in ('completed', 'failed', 'cancelled') then
    raise exception 'firing % is % and can never change', old.id, old.status using errcode = 'check_violation';
  end if;
  if new.status <> old.status and (old.status, new.status) not in (
       ('queued', 'running'), ('queued', 'cancelled'), ('running', 'queued'),
       ('running', 'completed'), ('running', 'failed'), ('running', 'cancelled')) then
    raise exception 'firing %: % -> % is no move', old.id, old.status, new.status using errcode = 'check_violation';
  end if;
  if new.token is distinct from old.token
     and (old.status <> 'queued' or new.status <> 'running' or new.token is null or new.token <= coalesce(old.token, 0)) then
    raise exception 'firing %: token % cannot follow %', old.id, new.token, old.token using errcode = 'check_violation';
  end if;
  if new.status = 'running' and old.status = 'queued' and new.token is not distinct from old.token then
    raise exception 'firing %: a run needs a new token', old.id using errcode = 'check_violation';
  end if;
  -- One attempt more with each run; one less only where a run was given back uncharged.
  if new.attempt_count - old.attempt_count <> (case
       when old.status = 'queued' and new.status = 'running' then 1
       when old.status = 'running' and new.status = 'queued' then least(0, new.attempt_count - old.attempt_count)
       else 0 end) or new.attempt_count < old.attempt_count - 1 then
    raise exception 'firing %: % attempts cannot follow %', old.id, new.attempt_count, old.attempt_count
      using errcode = 'check_violation';
  end if;
  -- Workspace, lane and priority too: slots and the line were taken under them.
  if (new.id, new.schedule_id, new.nominal_at, new.line_no, new.source, new.workspace_id, new.lane, new.priority)
     is distinct from
     (old.id, old.schedule_id, old.nominal_at, old.line_no, old.source, old.workspace_id, old.lane, old.priority) then
    raise exception 'firing %: what it is cannot change', old.id using errcode = 'check_violation';
  end if;
  return new;
end $$;
create trigger firing_moves_lawfully before update on firings
  for each row execute function firing_moves_lawfully();

create function firing_is_born_queued() returns trigger language plpgsql as $$
begin
  raise exception 'firing %: a firing is born queued, never run before', new.id using errcode = 'check_violation';
end $$;
create trigger firing_is_born_queued before insert on firings
  for each row when (new.status <> 'queued' or new.token is not null or new.attempt_count <> 0)
  execute function firing_is_born_queued();

create function unfinished_firing_stays() returns trigger language plpgsql as $$
begin
  raise exception 'firing % is % and cannot be deleted', old.id, old.status using errcode = 'check_violation';
end $$;
create trigger unfinished_firing_stays before delete on firings
  for each row when (old.status in ('queued', 'running')) execute function unfinished_firing_stays();

create function attempt_moves_lawfully() returns trigger language plpgsql as $$
begin
  if old.ended_at is not null
     and to_jsonb(new) - 'late_result' is distinct from to_jsonb(old) - 'late_result' then
    raise exception 'attempt % has ended and cannot change', old.token using errcode = 'check_violation';
  end if;
  if (new.token, new.firing_id, new.number, new.request_id)
     is distinct from (old.token, old.firing_id, old.number, old.request_id) then
    raise exception 'attempt %: what it is cannot change', old.token using errcode = 'check_violation';
  end if;
  return new;
end $$;
create trigger attempt_moves_lawfully before update on attempts
  for each row execute function attempt_moves_lawfully();

create function attempt_is_born_live() returns trigger language plpgsql as $$
begin
  raise exception 'attempt %: an attempt is born live', new.token using errcode = 'check_violation';
end $$;
create trigger attempt_is_born_live before insert on attempts
  for each row when (new.ended_at is not null) execute function attempt_is_born_live();

create function live_attempt_stays() returns trigger language plpgsql as $$
begin
  raise exception 'attempt % is live and cannot be deleted', old.token using errcode = 'check_violation';
end $$;
create trigger live_attempt_stays before delete on attempts
  for each row when (old.ended_at is null) execute function live_attempt_stays();

-- A live attempt and its running firing begin and end in one transaction. Checked at commit.
create function attempt_fits_its_firing() returns trigger language plpgsql as $$
begin
  if (select a.ended_at is null from attempts a where a.id = new.id) is distinct from
     (select f.status = 'running' and f.token = new.token from firings f where f.id = new.firing_id)
     and exists (select from attempts a where a.id = new.id) then
    raise exception 'attempt %: it lives while its firing runs by its token, no longer and no shorter', new.token
      using errcode = 'check_violation';
  end if;
  return null;
end $$;
create constraint trigger attempt_begins_with_its_firing after insert on attempts
  deferrable initially deferred for each row execute function attempt_fits_its_firing();
create constraint trigger attempt_ends_with_its_firing after update of ended_at on attempts
  deferrable initially deferred for each row when (old.ended_at is null and new.ended_at is not null)
  execute function attempt_fits_its_firing();

-- The limits a firing runs under, of those that exist.
create function limit_keys(of_workspace uuid, of_lane text) returns setof text language sql stable as $$
  select key from limits
   where key in ('fleet', 'workspace:' || of_workspace, 'lane:' || of_lane)
   order by key
$$;

-- Slots follow the firing: whoever ends a run frees its slots in the same statement, and cannot forget to.
-- A limit that owes surplus rows takes the freed row back instead.
create function free_slots() returns trigger language plpgsql as $$
declare
  held record;
begin
  for held in select limit_key, number, forced from slots where token = old.token order by limit_key for update loop
    if not held.forced then
      update limits set surplus = surplus - 1 where key = held.limit_key and surplus > 0;
    end if;
    if held.forced or found then
      delete from slots where limit_key = held.limit_key and number = held.number;
    else
      update slots set token = null where limit_key = held.limit_key and number = held.number;
    end if;
  end loop;
  update workspaces
     set active_tasks = greatest(active_tasks - 1, 0), last_activity_at = now(),
         current_task = case when active_tasks <= 1 then null else current_task end
   where id = old.workspace_id;
  return null;
end $$;
create trigger free_slots after update of status on firings
  for each row when (old.status = 'running' and new.status <> 'running') execute function free_slots();

-- Exactly the running firings hold slot rows, one per limit, and have one live attempt. Checked at commit.
create function running_firing_holds_slots() returns trigger language plpgsql as $$
declare
  f firings;
begin
  select * into f from firings where id = new.id;
  if not found or f.status <> 'running' then
    return null;
  end if;
  if exists (select from limit_keys(f.workspace_id, f.lane) as k
              where not exists (select from slots where limit_key = k and token = f.token)) then
    raise exception 'firing % runs without a slot', f.id using errcode = 'check_violation';
  end if;
  if not exists (select from attempts where token = f.token and firing_id = f.id and ended_at is null) then
    raise exception 'firing % runs without a live attempt', f.id using errcode = 'check_violation';
  end if;
  return null;
end $$;
create constraint trigger running_firing_holds_slots after update on firings
  deferrable initially deferred for each row when (new.status = 'running')
  execute function running_firing_holds_slots();

create function firing_not_running_has_no_attempt() returns trigger language plpgsql as $$
begin
  if exists (select from attempts where firing_id = new.id and ended_at is null)
     and (select status from firings where id = new.id) <> 'running' then
    raise exception 'firing % does not run but has a live attempt', new.id using errcode = 'check_violation';
  end if;
  return null;
end $$;
create constraint trigger firing_not_running_has_no_attempt after update of status on firings
  deferrable initially deferred for each row when (old.status = 'running' and new.status <> 'running')
  execute function firing_not_running_has_no_attempt();

create function held_slot_has_running_firing() returns trigger language plpgsql as $$
declare
  s slots;
begin
  select * into s from slots where limit_key = new.limit_key and number = new.number;
  if found and s.token is not null
     and not exists (select from firings f join attempts a on a.firing_id = f.id
                      where a.token = s.token and f.token = s.token and f.status = 'running'
                        and s.limit_key in (select limit_keys(f.workspace_id, f.lane))) then
    raise exception 'slot %/% is held by token %, which does not run under it', s.limit_key, s.number, s.token
      using errcode = 'check_violation';
  end if;
  return null;
end $$;
create constraint trigger held_slot_has_running_firing after insert or update on slots
  deferrable initially deferred for each row when (new.token is not null)
  execute function held_slot_has_running_firing();

create function held_slot_is_not_lost() returns trigger language plpgsql as $$
begin
  if exists (select from firings where token = old.token and status = 'running')
     and exists (select from limits where key = old.limit_key)
     and not exists (select from slots where limit_key = old.limit_key and token = old.token) then
    raise exception 'slot %/% was taken from running token %', old.limit_key, old.number, old.token
      using errcode = 'check_violation';
  end if;
  return null;
end $$;
create constraint trigger held_slot_is_not_lost after update or delete on slots
  deferrable initially deferred for each row when (old.token is not null)
  execute function held_slot_is_not_lost();
create index firings_by_token on firings (token) where status = 'running';

create function slot_stays_what_it_is() returns trigger language plpgsql as $$
begin
  raise exception 'slot %/%: what it is cannot change', old.limit_key, old.number using errcode = 'check_violation';
end $$;
create trigger slot_stays_what_it_is before update on slots
  for each row when ((old.limit_key, old.number, old.forced) is distinct from (new.limit_key, new.number, new.forced))
  execute function slot_stays_what_it_is();

-- A limit has as many slot rows as its cap, and those that a lowered cap still owes; forced ones come on top.
-- Checked at commit, once a limit however many rows came or went: they are counted when all are there.
create function limit_has_the_slots_of_its_cap() returns trigger language plpgsql as $$
declare
  k text;
  l limits;
begin
  if tg_table_name = 'limits' then k := new.key;
  elsif tg_op = 'DELETE' then k := old.limit_key;
  else k := new.limit_key;
  end if;
  if current_setting('slotbeat.counted', true) is not distinct from k then
    return null;
  end if;
  perform set_config('slotbeat.counted', k, true);
  select * into l from limits where key = k;
  if found and l.cap + l.surplus <> (select count(*) from slots where limit_key = k and not forced) then
    raise exception 'limit % has not the slots of its cap (% and % to give back)', k, l.cap, l.surplus
      using errcode = 'check_violation';
  end if;
  return null;
end $$;
create constraint trigger cap_fits_slots after insert or update of cap, surplus on limits
  deferrable initially deferred for each row execute function limit_has_the_slots_of_its_cap();
create constraint trigger new_slot_fits_cap after insert on slots
  deferrable initially deferred for each row when (not new.forced) execute function limit_has_the_slots_of_its_cap();
create constraint trigger gone_slot_fits_cap after delete on slots
  deferrable initially deferred for each row when (not old.forced) execute function limit_has_the_slots_of_its_cap();

-- A firing that is cancelled in line has its metrics row like every other that ended, whoever cancels it.
create function cancelled_in_line_is_measured() returns trigger language plpgsql as $$
begin
  insert into schedule_firing_metrics (firing_id, schedule_id, workspace_id, fired_at, completed_at, slot_wait_ms,
                                       turn_count, max_turns_at_firing, failure_reason)
  values (new.id, new.schedule_id, new.workspace_id, new.nominal_at, new.finished_at,
          (extract(epoch from new.finished_at - new.queued_at) * 1000)::bigint, new.turns, new.max_turns,
          new.failure_reason)
  on conflict (firing_id) do nothing;
  return null;
end $$;
create trigger cancelled_in_line_is_measured after update of status on firings
  for each row when (old.status = 'queued' and new.status = 'cancelled')
  execute function cancelled_in_line_is_measured();

-- next_run_at only moves forward, except by an edit (which raises the revision).
create function schedule_moves_forward() returns trigger language plpgsql as $$
begin
  if new.next_run_at < old.next_run_at and new.revision <= old.revision then
    raise exception 'schedule %: next_run_at cannot move back without an edit', old.id using errcode = 'check_violation';
  end if;
  if new.revision < old.revision then
    raise exception 'schedule %: revision cannot go down', old.id using errcode = 'check_violation';
  end if;
  return new;
end $$;
create trigger schedule_moves_forward before update of next_run_at, revision on schedules
  for each row when (new.next_run_at < old.next_run_at or new.revision < old.revision)
  execute function schedule_moves_forward();

-- Beat sleeps until the next due moment; an edit or a new schedule wakes it. Beat's own writes do not
-- raise the revision, so that beats do not wake each other.
create function schedule_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('slotbeat_schedules', '');
  return null;
end $$;
create trigger schedule_added after insert on schedules
  for each row execute function schedule_changed();
create trigger schedule_edited after update on schedules
  for each row when (new.revision <> old.revision or new.status <> old.status)
  execute function schedule_changed();
