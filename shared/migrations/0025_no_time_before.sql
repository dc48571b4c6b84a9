-- A clock that was put back while something waited or ran makes no time of less than nothing: a counter would go down.
create or replace view told_by_firings as
  select m.firing_id, m.is_counted, it.name, it.label, it.value::double precision as value
    from schedule_firing_metrics m
    join firings f on f.id = m.firing_id
   cross join lateral (
     select greatest(extract(epoch from m.slot_claimed_at - m.fired_at)::float8, 0) as s) as lag
   cross join lateral (values
     ('firings', f.status || '/' || coalesce(m.failure_reason, ''), 1),
     ('turns', '', f.turns), ('tokens', 'input', f.input_tokens), ('tokens', 'output', f.output_tokens),
     ('cost', '', f.cost_micros / 1e6),
     ('slot_wait', bucket_of(m.slot_wait_ms / 1e3), case when m.slot_claimed_at is not null then 1 end),
     ('slot_wait_sum', '', case when m.slot_claimed_at is not null then m.slot_wait_ms / 1e3 end),
     ('duration', bucket_of(m.duration_ms / 1e3), case when m.duration_ms is not null then 1 end),
     ('duration_sum', '', m.duration_ms / 1e3),
     ('lag', bucket_of(lag.s),
      case when f.source in ('scheduled', 'heartbeat') and m.slot_claimed_at is not null then 1 end),
     ('lag_sum', '', case when f.source in ('scheduled', 'heartbeat') and m.slot_claimed_at is not null then lag.s end)
   ) as it (name, label, value)
   where it.value is not null;

select grant_roles();
