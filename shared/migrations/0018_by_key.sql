-- A settle finds its rows by key, whatever statistics say.

-- They are of a quiet hour, or of a table that was empty: a scan of all that runs, or of all attempts, is cheaper then
-- than any look by key, and the plan that says so is kept while the table grows. Of joins, a look by key for each
-- row is left: there are at most as many as endings in a page.
create or replace function lock_for_endings(tokens bigint[]) returns void language plpgsql as $$
declare
  of_schedules uuid[];
  of_firings   uuid[];
begin
  perform pg_advisory_xact_lock_shared(7301), set_config('plan_cache_mode', 'force_generic_plan', true),
          set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
          set_config('enable_mergejoin', 'off', true);
  -- In the order of their key, for which there is one index: in a table of two rows any other is as cheap.
  select array_agg(it.schedule_id), array_agg(it.id) into of_schedules, of_firings
    from (select f.schedule_id, f.id from attempts a join firings f on f.id = a.firing_id
           where a.token = any(tokens) order by a.token) as it;
  perform from schedules where id = any(of_schedules) order by id for update;
  perform from firings where id = any(of_firings) order by id for update;
end $$;

-- That an attempt is live is asked of its row, found by its key: `ended_at is null` in so many words is an index of all
-- that live, which statistics of a quiet hour believe empty.
create or replace function firing_not_running_has_no_attempt() returns trigger language plpgsql as $$
begin
  if exists (select from attempts where firing_id = new.id and outcome is null)
     and (select status from firings where id = new.id) <> 'running' then
    raise exception 'firing % does not run but has a live attempt', new.id using errcode = 'check_violation';
  end if;
  return null;
end $$;

-- A function that is replaced runs as its caller again, until it is said anew.
select grant_roles();
