-- Budgets over a rolling day: what was spent, what is reserved for what runs, and how much that leaves to a claim.

-- Of the fleet and of workspaces; a schedule's own are columns of it.
create table budgets (
  key         text primary key check (key = 'fleet' or key ~ '^workspace:[0-9a-f-]{36}$'),
  turns       bigint check (turns > 0),
  tokens      bigint check (tokens > 0),
  micros      bigint check (micros > 0),
  updated_at  moment not null default now(),
  updated_by  text not null default 'system',
  check (num_nonnulls(turns, tokens, micros) > 0)
);

-- One row an attempt that spends: reserved while it runs, settled when it ends. Rows of a day are all there is.
create table spend (
  token         bigint primary key,
  schedule_id   uuid,
  workspace_id  uuid not null,
  at            moment not null default now(),
  is_reserved   boolean not null,
  turns         bigint not null default 0 check (turns >= 0),
  tokens        bigint not null default 0 check (tokens >= 0),
  micros        bigint not null default 0 check (micros >= 0),
  is_folded     boolean not null default false,
  check (not (is_folded and is_reserved))
);
create index spend_unfolded on spend (at) where not is_folded;
create index spend_of_schedule on spend (schedule_id, at);
create index spend_of_workspace on spend (workspace_id, at);
create index spend_by_time on spend (at);

-- What the rows marked as folded come to, in spans of five minutes: a day under one key is 288 rows, however many
-- attempts there were. A row is counted here or by itself, never both, whenever anybody looks.
create table spend_spans (
  key      text not null,
  from_at  moment not null,
  turns    bigint not null,
  tokens   bigint not null,
  micros   bigint not null,
  primary key (key, from_at)
);

-- Folds what has been settled into its spans, and drops spans that are older than any day; how many rows.
create function fold_spend(most integer) returns integer language plpgsql as $$
declare
  folded integer;
begin
  delete from spend_spans where from_at < now() - interval '25 hours';
  with taken as (
    update spend s set is_folded = true where s.token in (
      select x.token from spend x where not x.is_folded and not x.is_reserved
       order by x.at limit most for update skip locked)
    returning s.*),
  told as (
    insert into spend_spans as t
    select k.key, date_bin('5 minutes', s.at, 'epoch'), sum(s.turns), sum(s.tokens), sum(s.micros)
      from taken s
     cross join lateral (values ('fleet'), ('workspace:' || s.workspace_id), ('schedule:' || s.schedule_id)) as k (key)
     where k.key is not null group by 1, 2 order by 1, 2
    on conflict (key, from_at) do update
       set turns = t.turns + excluded.turns, tokens = t.tokens + excluded.tokens, micros = t.micros + excluded.micros)
  select count(*) into folded from taken;
  return folded;
end $$;

-- Who has been told of a budget, so that each is told once a day.
create table budget_warnings (
  key      text not null,
  measure  text not null check (measure in ('turns', 'tokens', 'micros')),
  percent  integer not null check (percent in (80, 100)),
  at       moment not null default now(),
  primary key (key, measure, percent)
);

-- What an attempt may use before it is ended, as it was when it was claimed; null: as much as it likes.
alter table attempts
  add column may_turns bigint, add column may_tokens bigint, add column may_micros bigint;

-- Every budget that there is, whatever it is of. Each claim looks here by key: of many schedules, few have one.
create index schedules_with_budget on schedules (('schedule:' || id::text))
  where status <> 'archived' and num_nonnulls(budget_turns, budget_tokens, budget_micros) > 0;
create view budgets_in_force as
  select 'schedule:' || s.id::text as key, s.id as schedule_id, s.workspace_id, s.budget_turns::bigint as turns,
         s.budget_tokens as tokens, s.budget_micros as micros
    from schedules s
   where s.status <> 'archived' and num_nonnulls(s.budget_turns, s.budget_tokens, s.budget_micros) > 0
  union all
  select b.key, null, nullif(split_part(b.key, ':', 2), '')::uuid, b.turns, b.tokens, b.micros from budgets b;

-- What was spent under a budget in the last 24 hours, and what is held for what runs: what was reserved for it, or
-- what it has told by now, if that is more. The day is exact: spans that lie in it whole, the folded rows of the span
-- that it begins in one by one, and all that is not folded yet. It reads as much after ten attempts as after a million.
create function spend_under(
  of_key text, out turns bigint, out tokens bigint, out micros bigint,
  out held_turns bigint, out held_tokens bigint, out held_micros bigint
) language sql stable as $$
  with whose as (
    select nullif(split_part(of_key, ':', 2), '')::uuid as id, now() - interval '24 hours' as since,
           date_bin('5 minutes', now() - interval '24 hours', 'epoch') + interval '5 minutes' as whole_from),
  edge as (
    select s.* from spend s
     where of_key = 'fleet' and s.is_folded
       and s.at > (select since from whose) and s.at < (select whole_from from whose)
    union all
    select s.* from spend s
     where of_key like 'workspace:%' and s.workspace_id = (select id from whose) and s.is_folded
       and s.at > (select since from whose) and s.at < (select whole_from from whose)
    union all
    select s.* from spend s
     where of_key like 'schedule:%' and s.schedule_id = (select id from whose) and s.is_folded
       and s.at > (select since from whose) and s.at < (select whole_from from whose)),
  fresh as (
    select s.* from spend s cross join whose w
     where not s.is_folded and (s.is_reserved or s.at > w.since)
       and (of_key = 'fleet' or (of_key like 'workspace:%' and s.workspace_id = w.id)
            or (of_key like 'schedule:%' and s.schedule_id = w.id))),
  used as (
    select false as is_reserved, p.turns, p.tokens, p.micros from spend_spans p
     where p.key = of_key and p.from_at >= (select whole_from from whose)
    union all
    select false, e.turns, e.tokens, e.micros from edge e
    union all
    select f.is_reserved, greatest(f.turns, a.turns),
           greatest(f.tokens, coalesce(a.input_tokens, 0) + coalesce(a.output_tokens, 0)),
           greatest(f.micros, a.cost_micros)
      from fresh f left join attempts a on f.is_reserved and a.token = f.token)
  select coalesce(sum(u.turns) filter (where not u.is_reserved), 0)::bigint,
         coalesce(sum(u.tokens) filter (where not u.is_reserved), 0)::bigint,
         coalesce(sum(u.micros) filter (where not u.is_reserved), 0)::bigint,
         coalesce(sum(u.turns) filter (where u.is_reserved), 0)::bigint,
         coalesce(sum(u.tokens) filter (where u.is_reserved), 0)::bigint,
         coalesce(sum(u.micros) filter (where u.is_reserved), 0)::bigint
    from used u
$$;

-- What a firing would reserve, and how far it may go; `used_up` is the budget that leaves it nothing.
-- It is expected to use what its schedule's last five did on average. Where nobody can know, all that is left is
-- reserved, so that such firings run one at a time until there is a figure. It may go as far as what is left, or
-- twice what is expected, whichever is more: what was started with a reason may end, and what runs away may not.
create function budget_room(
  f firings, out is_limited boolean, out used_up text, out turns bigint, out tokens bigint, out micros bigint,
  out may_turns bigint, out may_tokens bigint, out may_micros bigint
) language plpgsql as $$
#variable_conflict use_column
declare
  b        record;
  u        record;
  known    record;
  budget   bigint[];
  left_    bigint[] := array[null, null, null];
  expected bigint[];
  i        integer;
begin
  is_limited := false;
  for b in select * from budgets_in_force x
            where x.key in ('fleet', 'workspace:' || f.workspace_id, 'schedule:' || f.schedule_id) order by x.key loop
    is_limited := true;
    select * into u from spend_under(b.key);
    budget := array[b.turns - u.turns - u.held_turns, b.tokens - u.tokens - u.held_tokens,
                    b.micros - u.micros - u.held_micros];
    for i in 1..3 loop
      if budget[i] <= 0 then
        used_up := coalesce(used_up, b.key);
      end if;
      if budget[i] is not null then
        left_[i] := least(left_[i], greatest(budget[i], 0));
      end if;
    end loop;
  end loop;
  if not is_limited then
    return;
  end if;
  select ceil(avg(x.turns))::bigint as turns,
         ceil(avg(coalesce(x.input_tokens, 0) + coalesce(x.output_tokens, 0)))::bigint as tokens,
         ceil(avg(coalesce(x.cost_micros, 0)))::bigint as micros
    into known
    from (select p.* from firings p
           where p.schedule_id = f.schedule_id and p.started_at is not null and p.finished_at is not null
           order by p.queued_at desc limit 5) x;
  expected := array[least(known.turns, f.max_turns), known.tokens, known.micros];
  turns := coalesce(expected[1], least(left_[1], f.max_turns), 0);
  tokens := coalesce(expected[2], left_[2], 0);
  micros := coalesce(expected[3], left_[3], 0);
  may_turns := greatest(left_[1], case when left_[1] is not null then 2 * expected[1] end);
  may_tokens := greatest(left_[2], case when left_[2] is not null then 2 * expected[2] end);
  may_micros := greatest(left_[3], case when left_[3] is not null then 2 * expected[3] end);
end $$;

-- An attempt that ends is settled in the same statement, whoever ends it; what is older than any day goes.
create function attempt_is_paid() returns trigger language plpgsql as $$
begin
  if new.turns > 0 or new.input_tokens > 0 or new.output_tokens > 0 or new.cost_micros > 0 then
    insert into spend (token, schedule_id, workspace_id, is_reserved, turns, tokens, micros)
    select new.token, f.schedule_id, f.workspace_id, false, new.turns,
           coalesce(new.input_tokens, 0) + coalesce(new.output_tokens, 0), coalesce(new.cost_micros, 0)
      from firings f where f.id = new.firing_id
    on conflict (token) do update
       set is_reserved = false, at = now(), turns = excluded.turns, tokens = excluded.tokens, micros = excluded.micros;
  else
    delete from spend where token = new.token;
  end if;
  delete from spend where token in (
    select s.token from spend s where s.at < now() - interval '25 hours' and not s.is_reserved
     order by s.at limit 20 for update skip locked);
  return null;
end $$;
create trigger attempt_is_paid after update of ended_at on attempts
  for each row when (old.ended_at is null and new.ended_at is not null) execute function attempt_is_paid();

insert into role_grants (role, rights, thing) values
  ('slotbeat_worker', 'select', 'budgets_in_force'), ('slotbeat_worker', 'execute', 'function spend_under(text)'),
  ('slotbeat_worker', 'select, insert, update', 'budget_warnings'),
  ('slotbeat_worker', 'execute', 'function fold_spend(integer)'), ('slotbeat_api', 'select', 'spend_spans'),
  ('slotbeat_beat', 'select', 'budgets_in_force'), ('slotbeat_beat', 'execute', 'function spend_under(text)'),
  ('slotbeat_api', 'select', 'budgets_in_force'), ('slotbeat_api', 'execute', 'function spend_under(text)'),
  ('slotbeat_api', 'select, insert, update, delete', 'budgets'), ('slotbeat_api', 'select', 'spend'),
  ('slotbeat_api', 'select', 'budget_warnings'),
  ('slotbeat_reader', 'select', 'budgets'), ('slotbeat_reader', 'select', 'spend'),
  ('slotbeat_reader', 'select', 'spend_spans'),
  ('slotbeat_reader', 'select (may_turns, may_tokens, may_micros)', 'attempts');
do $$
begin
  execute format('alter function spend_under(text) security definer set search_path = %I, pg_temp', current_schema());
  execute format('alter function fold_spend(integer) security definer set search_path = %I, pg_temp', current_schema());
end $$;
revoke execute on function spend_under(text), fold_spend(integer), budget_room(firings), attempt_is_paid() from public;
select grant_roles();
