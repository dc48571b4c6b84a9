-- The claim as one function: a worker needs one round trip, and no right to write slots by hand.

insert into limits (key, cap, updated_by) values ('fleet', 2, 'default');
insert into slots (limit_key, number) values ('fleet', 1), ('fleet', 2);

-- What could start but for tripped classes: queued, its time come, its schedule not paused, its workspace fit. A
-- schedule that does not allow overlap runs one firing at a time; what people ask for by hand does not wait for that.
create view ready as
  select f.*
    from firings f
    join workspaces w on w.id = f.workspace_id
    left join schedules s on s.id = f.schedule_id
   where f.status = 'queued'
     and (f.not_before is null or f.not_before <= now())
     and w.status in ('online', 'degraded', 'failed')
     and (s.id is null or f.source in ('manual', 'rerun')
          or (s.status <> 'paused'
              and (s.overlap = 'allow'
                   or not exists (select from firings r where r.schedule_id = s.id and r.status = 'running'))));

-- What may start now; 0008 takes out of it what tripped classes hold.
create view startable as select * from ready;

-- Claims a firing: a free slot row under every limit, a new token, the attempt, the firing running.
-- Answers: claimed; gone (not queued, or its request has ended); held (not to start now);
-- full or draining (and the limit); spent (a budget leaves nothing, and the firing waits; 0010 has the budgets);
-- stale (the gate was rebuilt: ask it again).
-- Claims share an advisory lock that rebuilds and cap changes take alone, so that a claim that read the
-- old epoch cannot commit after a rebuild. It is its own statement here: the next one sees what came before.
create function claim_firing(
  asked uuid, request uuid, believed_epoch bigint, claimer jsonb, celery_id text, lease interval,
  out answer text, out token bigint, out number integer, out full_limit text,
  out heartbeat_expires_at timestamptz, out run_expires_at timestamptz,
  out may_turns bigint, out may_tokens bigint, out may_micros bigint
) language plpgsql as $$
#variable_conflict use_variable
declare
  f      firings;
  a      attempts;
  room   record;
  k      text;
  n      bigint;
  keys   text[] := '{}';
  picked bigint[] := '{}';
begin
  perform pg_advisory_xact_lock_shared(7301);
  select * into a from attempts where request_id = request;
  if found then
    answer := case when a.ended_at is null and a.firing_id = asked then 'claimed' else 'gone' end;
    token := a.token; number := a.number;
    heartbeat_expires_at := a.heartbeat_expires_at; run_expires_at := a.run_expires_at;
    may_turns := a.may_turns; may_tokens := a.may_tokens; may_micros := a.may_micros;
    return;
  end if;
  if (select e.number from epoch e) <> believed_epoch then
    answer := 'stale'; return;
  end if;
  -- Two firings of one schedule that runs one at a time, or has a budget, are decided one after the other.
  perform from schedules s
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
  select * into room from budget_room(f);
  if room.used_up is not null and not f.forced then
    -- It waits until spend ages out, and looks again before: what runs may have used less than was reserved.
    update firings x set not_before = now() + interval '1 minute' where x.id = asked;
    answer := 'spent'; return;
  end if;

  for k in select limit_keys(f.workspace_id, f.lane) loop
    if (select l.cap from limits l where l.key = k) = 0 then
      answer := 'draining'; full_limit := k; return;
    end if;
    keys := keys || k;
    select s.number into n from slots s
     where s.limit_key = k and s.token is null order by s.number limit 1 for update skip locked;
    if found then
      picked := picked || n;
    else
      full_limit := coalesce(full_limit, k);
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
  select coalesce(max(x.number), 0) + 1 into number from attempts x where x.firing_id = asked;
  update firings x
     set status = 'running', token = claim_firing.token, attempt_count = attempt_count + 1, started_at = now()
   where x.id = asked;
  may_turns := room.may_turns; may_tokens := room.may_tokens; may_micros := room.may_micros;
  heartbeat_expires_at := now() + lease;
  run_expires_at := now() + make_interval(secs => f.max_run_seconds);
  insert into attempts (firing_id, number, token, request_id, worker, celery_task_id, claimed_at,
                        heartbeat_expires_at, lease_ms, run_expires_at, may_turns, may_tokens, may_micros)
  values (asked, number, token, request, claimer, celery_id, now(), heartbeat_expires_at,
          extract(epoch from lease) * 1000, run_expires_at,
          may_turns, may_tokens, may_micros);
  if room.is_limited then
    insert into spend (token, schedule_id, workspace_id, is_reserved, turns, tokens, micros)
    values (token, f.schedule_id, f.workspace_id, true, room.turns, room.tokens, room.micros);
  end if;
  update workspaces
     set active_tasks = active_tasks + 1, current_task = f.title, last_activity_at = now()
   where id = f.workspace_id;
  answer := 'claimed';
end $$;
