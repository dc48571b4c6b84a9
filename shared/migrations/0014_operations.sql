-- Running it for real: what metrics count, what is forgotten for its age, who has been told.

-- Metrics ------------------------------------------------------------------------------------------

-- What ended firings and skips come to for good: rows are deleted for their age, a counter never goes down. A row
-- that is marked as counted is in here; the others are few, and are added by whoever looks. So a settle updates no
-- row that others want too.
create table tallies (
  name   text not null,
  label  text not null default '',
  value  double precision not null,
  primary key (name, label)
);
alter table schedule_firing_metrics add column is_counted boolean not null default false;
create index metrics_uncounted on schedule_firing_metrics (firing_id) where not is_counted;
alter table skips add column is_counted boolean not null default false;
create index skips_uncounted on skips (id) where not is_counted;

-- The upper bounds, in seconds, of every histogram.
create function bucket_of(seconds double precision) returns text language sql immutable as $$
  select coalesce((array['0.05', '0.1', '0.25', '0.5', '1', '2.5', '5', '10', '30', '60', '120', '300', '600',
                         '1200', '1800', '3600'])[
                    1 + (select count(*) from unnest(array[0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600,
                                                           1200, 1800, 3600]) as bound where bound < seconds)],
                  '+Inf')
$$;

-- What each ended firing says, one row for each counter that it adds to. Lag is that of occurrences that were due:
-- a backfill's are old by nature.
create view told_by_firings as
  select m.firing_id, m.is_counted, it.name, it.label, it.value::double precision as value
    from schedule_firing_metrics m
    join firings f on f.id = m.firing_id
   cross join lateral (values
     ('firings', f.status || '/' || coalesce(m.failure_reason, ''), 1),
     ('turns', '', f.turns), ('tokens', 'input', f.input_tokens), ('tokens', 'output', f.output_tokens),
     ('cost', '', f.cost_micros / 1e6),
     ('slot_wait', bucket_of(m.slot_wait_ms / 1e3), case when m.slot_claimed_at is not null then 1 end),
     ('slot_wait_sum', '', case when m.slot_claimed_at is not null then m.slot_wait_ms / 1e3 end),
     ('duration', bucket_of(m.duration_ms / 1e3), case when m.duration_ms is not null then 1 end),
     ('duration_sum', '', m.duration_ms / 1e3),
     ('lag', bucket_of(extract(epoch from m.slot_claimed_at - m.fired_at)::float8),
      case when f.source in ('scheduled', 'heartbeat') and m.slot_claimed_at is not null then 1 end),
     ('lag_sum', '', case when f.source in ('scheduled', 'heartbeat')
                          then extract(epoch from m.slot_claimed_at - m.fired_at) end)
   ) as it (name, label, value)
   where it.value is not null;

-- Every counter as it stands.
create view counted as
  select it.name, it.label, sum(it.value) as value
    from (select t.name, t.label, t.value from tallies t
          union all
          select f.name, f.label, f.value from told_by_firings f where not f.is_counted
          union all
          select 'skips', s.reason, s.count from skips s where not s.is_counted) as it
   group by it.name, it.label;

-- Moves rows into their counters; how many rows.
create function fold_tallies(most integer) returns integer language plpgsql as $$
declare
  firings_told integer;
  skips_told   integer;
begin
  with taken as (
    update schedule_firing_metrics m set is_counted = true where m.firing_id in (
      select x.firing_id from schedule_firing_metrics x where not x.is_counted limit most for update skip locked)
    returning m.firing_id),
  told as (
    insert into tallies as t
    select v.name, v.label, sum(v.value) from told_by_firings v join taken on taken.firing_id = v.firing_id
     group by 1, 2 order by 1, 2
    on conflict (name, label) do update set value = t.value + excluded.value)
  select count(*) into firings_told from taken;
  with taken as (
    update skips s set is_counted = true where s.id in (
      select x.id from skips x where not x.is_counted limit most for update skip locked)
    returning s.reason, s.count),
  told as (
    insert into tallies as t
    select 'skips', taken.reason, sum(taken.count) from taken group by taken.reason order by taken.reason
    on conflict (name, label) do update set value = t.value + excluded.value)
  select count(*) into skips_told from taken;
  return firings_told + skips_told;
end $$;

create index activity_reaped on activity_logs (at desc) where type = 'reaped';

-- How long people waited for an answer in an interactive stream, as whoever serves them tells it.
create table stream_latencies (
  at          moment not null default now(),
  latency_ms  integer not null check (latency_ms between 0 and 3600000)
);
create index stream_latencies_newest on stream_latencies (at desc);

-- Alerts -------------------------------------------------------------------------------------------

create index alerts_by_key on alerts (dedupe_key, at);
create index alerts_oldest on alerts (at);
alter table alerts
  add column given_up_at moment,
  -- Fingerprints of the addresses that have it already: a retry goes to the others.
  add column delivered text[] not null default '{}';
drop index alerts_to_send;
create index alerts_to_send on alerts (next_try_at) where sent_at is null and given_up_at is null;

-- A schedule that should succeed every so often, and since when it has not.
alter table schedules add column last_success_at moment;
create index schedules_awaited on schedules (id) where alert_after_s is not null and status = 'active';

-- Forgetting ---------------------------------------------------------------------------------------

create index skips_oldest on skips (last_at);
create index activity_oldest on activity_logs (at);

-- How far the output of ended firings has been deleted.
create table forgotten (
  what   text primary key,
  until  timestamptz not null
);

-- Deletes at most so many of the oldest rows of one kind; how many. Whoever calls says how old is old, but nobody can
-- say less than a day, and nothing goes that is queued, runs, waits to be sent or is not in the counters yet.
create function forget(kind text, older_than interval, most integer) returns bigint language plpgsql as $$
declare
  before  timestamptz := now() - greatest(older_than, interval '1 day');
  gone    bigint;
  ended   uuid[];
  newest  timestamptz;
begin
  case kind
  when 'events' then
    -- A firing's output goes as a whole. Where the last pass stopped is noted, for what it emptied is not marked.
    select array_agg(x.id), max(x.finished_at) into ended, newest
      from (select f.id, f.finished_at from firings f
             where f.finished_at > coalesce((select g.until from forgotten g where g.what = 'events'), '-infinity')
               and f.finished_at < before
             order by f.finished_at fetch first most rows with ties) as x;
    delete from firing_events e where e.firing_id = any(ended);
    get diagnostics gone = row_count;
    if newest is not null then
      insert into forgotten (what, until) values ('events', newest)
      on conflict (what) do update set until = excluded.until;
      gone := greatest(gone, cardinality(ended));
    end if;
  when 'metrics' then
    delete from schedule_firing_metrics where firing_id in (
      select m.firing_id from schedule_firing_metrics m
       where m.completed_at < before and m.is_counted order by m.completed_at limit most);
  when 'activity' then
    delete from activity_logs where id in (
      select a.id from activity_logs a where a.at < before order by a.at limit most);
  when 'firings' then
    delete from firings where id in (
      select f.id from firings f
       where f.finished_at < before
         and not exists (select from schedule_firing_metrics m where m.firing_id = f.id and not m.is_counted)
       order by f.finished_at limit most);
  when 'skips' then
    delete from skips where id in (
      select s.id from skips s
       where s.last_at < before and s.is_counted order by s.last_at limit most);
  when 'alerts' then
    delete from alerts where id in (
      select a.id from alerts a
       where a.at < before and (a.sent_at is not null or a.given_up_at is not null) order by a.at limit most);
  when 'idempotency_keys' then
    delete from idempotency_keys where (caller, key) in (
      select k.caller, k.key from idempotency_keys k where k.at < before order by k.at limit most);
  when 'stream_latencies' then
    delete from stream_latencies where ctid = any(array(
      select l.ctid from stream_latencies l where l.at < before order by l.at limit most));
  when 'sign_ins' then
    -- By when they ended: how long one lasts is said where it is made.
    delete from sign_ins where hash in (
      select s.hash from sign_ins s where s.expires_at < before order by s.expires_at limit most);
  when 'failed_sign_ins' then
    delete from failed_sign_ins where client in (
      select f.client from failed_sign_ins f where f.since < before order by f.since limit most);
  else
    raise exception 'nobody forgets %', kind;
  end case;
  if kind <> 'events' then
    get diagnostics gone = row_count;
  end if;
  return gone;
end $$;

do $$
declare
  name text;
begin
  foreach name in array '{fold_tallies(integer), "forget(text, interval, integer)"}'::text[] loop
    execute format('alter function %s security definer set search_path = %I, pg_temp', name, current_schema());
  end loop;
end $$;
revoke execute on function fold_tallies(integer), forget(text, interval, integer), bucket_of(double precision)
  from public;

insert into role_grants (role, rights, thing) values
  ('slotbeat_worker', 'execute', 'function fold_tallies(integer)'),
  ('slotbeat_worker', 'execute', 'function forget(text, interval, integer)'),
  ('slotbeat_worker', 'select', 'alerts'),
  ('slotbeat_worker', 'update (tries, next_try_at, sent_at, last_error, given_up_at, delivered)', 'alerts'),
  ('slotbeat_worker', 'select (id, workspace_id, name, status, alert_after_s, last_success_at, updated_at, due_at,'
   ' next_run_at)', 'schedules'),
  ('slotbeat_worker', 'update (last_success_at)', 'schedules'),
  ('slotbeat_api', 'select', 'tallies'), ('slotbeat_api', 'select', 'counted'),
  ('slotbeat_api', 'select', 'told_by_firings'), ('slotbeat_api', 'select', 'forgotten'),
  ('slotbeat_api', 'select, insert', 'stream_latencies'),
  ('slotbeat_reader', 'select', 'tallies'), ('slotbeat_reader', 'select', 'counted'),
  ('slotbeat_reader', 'select', 'stream_latencies'), ('slotbeat_reader', 'select (last_success_at)', 'schedules'),
  ('slotbeat_reader', 'select (given_up_at, delivered)', 'alerts');
select grant_roles();
