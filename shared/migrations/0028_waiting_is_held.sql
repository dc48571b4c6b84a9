-- A pause holds what a person put in line as well: run-now of a paused schedule is refused, so all that waits was asked
-- for before. A rerun is of one firing, and may be asked for meanwhile; what is forced waits for a drain only.
create or replace view ready as
  select f.*
    from firings f
    join workspaces w on w.id = f.workspace_id
    left join schedules s on s.id = f.schedule_id
   where f.status = 'queued'
     and (f.not_before is null or f.not_before <= now())
     and w.status in ('online', 'degraded', 'failed')
     and (s.id is null or s.status <> 'paused' or f.source = 'rerun' or f.forced)
     and (s.id is null or s.overlap = 'allow' or f.source in ('manual', 'rerun')
          or not exists (select from firings r where r.schedule_id = s.id and r.status = 'running'));
