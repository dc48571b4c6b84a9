-- Endings: what a settle locks, in one call.

-- Locks the schedules, then the firings of tokens, in everybody's order, once admission is not held by a rebuild or a
-- change of a cap. What is read after it is as they left it. A plan for any tokens serves these in this transaction:
-- planning anew each time costs more than all that follows.
create function lock_for_endings(tokens bigint[]) returns void language plpgsql as $$
begin
  perform pg_advisory_xact_lock_shared(7301), set_config('plan_cache_mode', 'force_generic_plan', true);
  perform from schedules where id in (
      select f.schedule_id from attempts a join firings f on f.id = a.firing_id where a.token = any(tokens))
    order by id for update;
  perform from firings where id in (select a.firing_id from attempts a where a.token = any(tokens))
    order by id for update;
end $$;
revoke execute on function lock_for_endings(bigint[]) from public;

-- A claim is planned once a session too, whatever is claimed.
alter function claim_firing(uuid, uuid, bigint, jsonb, text, interval)
  set plan_cache_mode = force_generic_plan;

insert into role_grants (role, rights, thing) values
  ('slotbeat_worker', 'execute', 'function lock_for_endings(bigint[])');
select grant_roles();
