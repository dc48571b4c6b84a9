-- Fewer looks: what a claim and an ending ask of Postgres that the rows at hand already say. Decision 83.

-- The claim as it is in force; 0003 says what it answers. Each statement in it costs its setting up, which is more than
-- what it does: an attempt of the same request and the epoch are one look, limits and their caps another, and budgets
-- are reckoned up only where there is one.
create or replace function claim_firing(
  asked uuid, request uuid, believed_epoch bigint, claimer jsonb, celery_id text, lease interval,
  out answer text, out token bigint, out number integer, out full_limit text,
  out heartbeat_expires_at timestamptz, out run_expires_at timestamptz,
  out may_turns bigint, out may_tokens bigint, out may_micros bigint
) language plpgsql as $$
#variable_conflict use_variable
declare
  f      firings;
  known  record;
  budget boolean;
  room   record;
  k      record;
  n      bigint;
  keys   text[] := '{}';
  picked bigint[] := '{}';
begin
  perform pg_advisory_xact_lock_shared(7301);
  select a.token, a.number, a.firing_id, a.ended_at, a.heartbeat_expires_at, a.run_expires_at,
         a.may_turns, a.may_tokens, a.may_micros, e.number as epoch
    into known from epoch e left join attempts a on a.request_id = request;
  if known.token is not null then
    answer := case when known.ended_at is null and known.firing_id = asked then 'claimed' else 'gone' end;
    token := known.token; number := known.number;
    heartbeat_expires_at := known.heartbeat_expires_at; run_expires_at := known.run_expires_at;
    may_turns := known.may_turns; may_tokens := known.may_tokens; may_micros := known.may_micros;
    return;
  end if;
  if known.epoch <> believed_epoch then
    answer := 'stale'; return;
  end if;
  -- Two firings of one schedule that runs one at a time, or has a budget, are decided one after the other.
  select num_nonnulls(s.budget_turns, s.budget_tokens, s.budget_micros) > 0 into budget
    from schedules s
   where s.id = (select x.schedule_id from firings x where x.id = asked)
     and (s.overlap <> 'allow' or num_nonnulls(s.budget_turns, s.budget_tokens, s.budget_micros) > 0) for update;
  select * into f from firings where id = asked and status = 'queued' for update;
  if not found then
    answer := 'gone'; return;
  end if;
  if not exists (select from startable s where s.id = asked) then
    answer := 'held'; return;
  end if;

  -- Whoever claims under the same budget waits here until this claim has reserved its part.
  perform from budgets b where b.key in ('fleet', 'workspace:' || f.workspace_id) order by b.key for update;
  -- Where there is none, nothing is reckoned up. What a firing is allowed, whose schedule has one, it reads there.
  if found or budget then
    select * into room from budget_room(f);
    if room.used_up is not null and not f.forced then
      -- It waits until spend ages out, and looks again before: what runs may have used less than was reserved.
      update firings x set not_before = now() + interval '1 minute' where x.id = asked;
      answer := 'spent'; return;
    end if;
    may_turns := room.may_turns; may_tokens := room.may_tokens; may_micros := room.may_micros;
  end if;

  for k in select l.key, l.cap
             from limit_keys(f.workspace_id, f.lane) as x (key) join limits l on l.key = x.key order by l.key loop
    if k.cap = 0 then
      answer := 'draining'; full_limit := k.key; return;
    end if;
    keys := keys || k.key;
    select s.number into n from slots s
     where s.limit_key = k.key and s.token is null order by s.number limit 1 for update skip locked;
    if found then
      picked := picked || n;
    else
      full_limit := coalesce(full_limit, k.key);
    end if;
  end loop;
  if full_limit is not null and not f.forced then
    answer := 'full'; return;
  end if;

  token := nextval('tokens');
  if full_limit is null then
    update slots s set token = claim_firing.token
      from unnest(keys, picked) as p (key, number) where s.limit_key = p.key and s.number = p.number;
  else
    insert into slots (limit_key, number, token, forced) select unnest(keys), -token, token, true;
    full_limit := null;
  end if;
  update firings x
     set status = 'running', token = claim_firing.token, attempt_count = attempt_count + 1, started_at = now()
   where x.id = asked;
  heartbeat_expires_at := now() + lease;
  run_expires_at := now() + make_interval(secs => f.max_run_seconds);
  insert into attempts (firing_id, number, token, request_id, worker, celery_task_id, claimed_at,
                        heartbeat_expires_at, lease_ms, run_expires_at, may_turns, may_tokens, may_micros)
  values (asked, (select coalesce(max(x.number), 0) + 1 from attempts x where x.firing_id = asked),
          token, request, claimer, celery_id, now(), heartbeat_expires_at,
          extract(epoch from lease) * 1000, run_expires_at, may_turns, may_tokens, may_micros)
  returning attempts.number into number;
  if num_nonnulls(may_turns, may_tokens, may_micros) > 0 then
    insert into spend (token, schedule_id, workspace_id, is_reserved, turns, tokens, micros)
    values (token, f.schedule_id, f.workspace_id, true, room.turns, room.tokens, room.micros);
  end if;
  update workspaces
     set active_tasks = active_tasks + 1, current_task = f.title, last_activity_at = now()
   where id = f.workspace_id;
  answer := 'claimed';
end $$;
do $$
begin
  execute format('alter function claim_firing(uuid, uuid, bigint, jsonb, text, interval) security definer'
                 ' set plan_cache_mode = force_generic_plan set search_path = %I, pg_temp', current_schema());
end $$;

-- Slots follow the firing, as 0002 has it. A cap is lowered by who holds admission alone, so whoever shares it may look
-- whether a limit owes surplus rows before it takes that limit's row.
create or replace function free_slots() returns trigger language plpgsql as $$
declare
  held record;
begin
  perform pg_advisory_xact_lock_shared(7301);
  update slots s set token = null from limits l
   where s.token = old.token and not s.forced and l.key = s.limit_key and l.surplus = 0;
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

-- An attempt that ends is settled in the same statement, as 0010 has it: what it spent, or what was reserved for it and
-- it did not spend. What is older than any day goes with one attempt of sixteen.
create or replace function attempt_is_paid() returns trigger language plpgsql as $$
begin
  if new.turns > 0 or new.input_tokens > 0 or new.output_tokens > 0 or new.cost_micros > 0 then
    insert into spend (token, schedule_id, workspace_id, is_reserved, turns, tokens, micros)
    select new.token, f.schedule_id, f.workspace_id, false, new.turns,
           coalesce(new.input_tokens, 0) + coalesce(new.output_tokens, 0), coalesce(new.cost_micros, 0)
      from firings f where f.id = new.firing_id
    on conflict (token) do update
       set is_reserved = false, at = now(), turns = excluded.turns, tokens = excluded.tokens, micros = excluded.micros;
  elsif num_nonnulls(new.may_turns, new.may_tokens, new.may_micros) > 0 then
    delete from spend where token = new.token;
  end if;
  if new.token % 16 = 0 then
    delete from spend where token in (
      select s.token from spend s where s.at < now() - interval '25 hours' and not s.is_reserved
       order by s.at limit 320 for update skip locked);
  end if;
  return null;
end $$;

-- Where nothing unlawful is asked for, nothing is called.
drop trigger attempt_moves_lawfully on attempts;
create trigger attempt_moves_lawfully before update on attempts for each row
  when (old.ended_at is not null
        or (new.token, new.firing_id, new.number, new.request_id)
           is distinct from (old.token, old.firing_id, old.number, old.request_id))
  execute function attempt_moves_lawfully();

-- A function in `from` becomes part of the query; in a list of columns it is called, and sets up a query of its own.
create or replace function held_slot_has_running_firing() returns trigger language plpgsql as $$
declare
  s slots;
begin
  select * into s from slots where limit_key = new.limit_key and number = new.number;
  if found and s.token is not null
     and not exists (select from firings f join attempts a on a.firing_id = f.id
                      where a.token = s.token and f.token = s.token and f.status = 'running'
                        and s.limit_key in (select k from limit_keys(f.workspace_id, f.lane) as k)) then
    raise exception 'slot %/% is held by token %, which does not run under it', s.limit_key, s.number, s.token
      using errcode = 'check_violation';
  end if;
  return null;
end $$;

-- A function that is replaced runs as its caller again, until it is said anew.
select grant_roles();
