-- A claim that goes along with a settle waits for nobody.

-- The settle holds its workspace's row by then, and other claims hold what this one wants, a schedule, a budget, another
-- workspace, and want that row: each would wait for the other until Postgres ends one of them, a second later. So it
-- gives up after a moment, gives back what it has locked, and says `busy`: it is asked again after the commit, by itself.
create function claim_along(
  asked uuid, request uuid, believed_epoch bigint, claimer jsonb, celery_id text, lease interval,
  out answer text, out token bigint, out number integer, out full_limit text,
  out heartbeat_expires_at timestamptz, out run_expires_at timestamptz,
  out may_turns bigint, out may_tokens bigint, out may_micros bigint
) language plpgsql set lock_timeout = '5ms' as $$
begin
  select * into answer, token, number, full_limit, heartbeat_expires_at, run_expires_at,
                may_turns, may_tokens, may_micros
    from claim_firing(asked, request, believed_epoch, claimer, celery_id, lease);
exception when lock_not_available then
  answer := 'busy';
end $$;

insert into role_grants (role, rights, thing) values
  ('slotbeat_worker', 'execute', 'function claim_along(uuid, uuid, bigint, jsonb, text, interval)');

do $$
begin
  execute format('alter function claim_along(uuid, uuid, bigint, jsonb, text, interval)'
                 ' set search_path = %I, pg_temp', current_schema());
end $$;
revoke execute on function claim_along(uuid, uuid, bigint, jsonb, text, interval) from public;
select grant_roles();
