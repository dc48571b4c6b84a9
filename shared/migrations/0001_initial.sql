-- The whole model. Postgres is the authority: the rules that must never be broken stand here,
-- as checks, unique indexes and triggers, so that no process can break them.

create domain moment as timestamptz
  check (isfinite(value) and value > '1970-01-01 00:00:00+00' and value < '9999-01-01 00:00:00+00');

-- Who we are -------------------------------------------------------------------------------------

create table installation (
  only_row  boolean primary key default true check (only_row),
  id        uuid not null default gen_random_uuid()
);
insert into installation default values;

-- The epoch of the gate's content. A claim made under another epoch cannot commit.
create table epoch (
  only_row      boolean primary key default true check (only_row),
  number        bigint not null check (number >= 0),
  redis_run_id  text,
  rebuilt_at    moment not null default now()
);
insert into epoch (number) values (0);

-- Places and schedules ---------------------------------------------------------------------------

create table workspaces (
  id                    uuid primary key,
  name                  text not null unique check (length(name) between 1 and 200),
  status                text not null default 'online' check (status in (
                          'provisioning', 'online', 'offline', 'degraded', 'failed', 'removed', 'paused',
                          'hibernated', 'hibernating', 'awaiting_agent')),
  native_scheduler      boolean not null default false,
  health_url            text,
  restart_command       jsonb,
  restart_url           text,
  wake_url              text,
  active_tasks          integer not null default 0 check (active_tasks >= 0),
  current_task          text,
  consecutive_failures  integer not null default 0,
  last_activity_at      moment,
  created_at            moment not null default now(),
  updated_at            moment not null default now()
);

create table schedules (
  id                         uuid primary key,
  workspace_id               uuid not null references workspaces,
  name                       text not null check (length(name) between 1 and 200),
  kind                       text not null default 'scheduled' check (kind in ('scheduled', 'heartbeat', 'once')),
  cron                       text,
  run_at                     moment,
  timezone                   text not null default 'UTC',
  prompt                     text not null default '' check (octet_length(prompt) <= 262144),
  target                     jsonb not null,
  priority                   smallint not null default 5 check (priority between 0 and 9),
  lane                       text check (length(lane) between 1 and 100),
  overlap                    text not null default 'skip' check (overlap in (
                               'skip', 'queue_one', 'queue_all', 'replace', 'allow')),
  missed                     text not null default 'latest' check (missed in ('latest', 'all', 'none')),
  start_deadline_s           integer check (start_deadline_s > 0),
  jitter_s                   integer not null default 0 check (jitter_s between 0 and 86400),
  start_at                   moment,
  end_at                     moment,
  remaining_runs             integer check (remaining_runs >= 0),
  max_turns                  integer check (max_turns between 1 and 1000),
  max_turns_set_at           moment,
  max_run_seconds            integer check (max_run_seconds between 1 and 86400),
  max_attempts               smallint not null default 1 check (max_attempts between 1 and 20),
  retry_backoff_s            integer not null default 30 check (retry_backoff_s between 0 and 86400),
  daily_turn_budget          integer check (daily_turn_budget > 0),
  turns_today                integer not null default 0,
  turns_today_on             date,
  budget_turns               integer check (budget_turns > 0),
  budget_tokens              bigint check (budget_tokens > 0),
  budget_micros              bigint check (budget_micros > 0),
  success_check              jsonb,
  alert_after_s              integer check (alert_after_s > 0),
  status                     text not null default 'active' check (status in ('active', 'paused', 'archived')),
  paused_reason              text,
  paused_by                  text,
  paused_until               moment,
  pause_note                 text,
  next_run_at                moment,
  deferred_until             moment,
  due_at                     timestamptz generated always as (greatest(next_run_at, deferred_until)) stored,
  last_run_at                moment,
  run_count                  bigint not null default 0,
  last_status                text check (last_status in ('ok', 'error', 'cancelled')),
  last_error                 text,
  last_failure_reason        text,
  failure_streak             integer not null default 0 check (failure_streak >= 0),
  turn_budget_breach_streak  integer not null default 0 check (turn_budget_breach_streak >= 0),
  near_lease_streak          integer not null default 0 check (near_lease_streak >= 0),
  suppression_count          bigint not null default 0,
  last_turn_count            integer,
  avg_turns_per_firing       integer,
  avg_duration_ms            bigint,
  fired_count                bigint not null default 0,
  revision                   bigint not null default 1,
  created_at                 moment not null default now(),
  updated_at                 moment not null default now(),
  unique (workspace_id, name),
  check ((kind = 'once') = (run_at is not null and cron is null)),
  check (end_at is null or start_at is null or start_at < end_at)
);
create index schedules_due on schedules (due_at) where status = 'active' and next_run_at is not null;

create table schedule_revisions (
  schedule_id  uuid not null references schedules,
  revision     bigint not null,
  changes      jsonb not null,
  actor        text not null,
  at           moment not null default now(),
  primary key (schedule_id, revision)
);

-- Work and its history ---------------------------------------------------------------------------

create sequence line_numbers;
create sequence tokens;

create table firings (
  id                 uuid primary key,
  schedule_id        uuid references schedules,
  workspace_id       uuid not null references workspaces,
  source             text not null check (source in (
                       'scheduled', 'heartbeat', 'manual', 'backfill', 'rerun', 'adhoc')),
  nominal_at         moment not null,
  line_no            bigint not null default nextval('line_numbers'),
  number             bigint not null default 1,
  title              text not null,
  prompt             text not null default '',
  target             jsonb not null,
  priority           smallint not null default 5 check (priority between 0 and 9),
  lane               text,
  status             text not null default 'queued' check (status in (
                       'queued', 'running', 'completed', 'failed', 'cancelled')),
  token              bigint,
  forced             boolean not null default false,
  max_turns          integer check (max_turns >= 1),
  max_run_seconds    integer not null check (max_run_seconds >= 1),
  attempt_count      smallint not null default 0 check (attempt_count >= 0),
  max_attempts       smallint not null default 1 check (max_attempts >= 1),
  retry_backoff_s    integer not null default 30,
  not_before         moment,
  queued_at          moment not null default now(),
  started_at         moment,
  finished_at        moment,
  result             text,
  exit_code          integer,
  turns              integer not null default 0 check (turns >= 0),
  input_tokens       bigint,
  output_tokens      bigint,
  cost_micros        bigint,
  failure_reason     text check (failure_reason in (
                       'turn_limit_exceeded', 'lease_expired', 'timeout', 'aborted', 'cancelled', 'replaced',
                       'rate_limited', 'auth_failed', 'budget_exceeded', 'workspace_unavailable', 'worker_lost',
                       'oom', 'exit_nonzero', 'target_error', 'bad_target', 'check_failed')),
  error              text,
  interrupted_count  smallint not null default 0 check (interrupted_count >= 0),
  schedule_revision  bigint,
  -- What it depends on beyond its own doing: its lane, else the host that it calls, else its workspace.
  place              text not null generated always as (
                       coalesce('lane:' || lane,
                                'host:' || lower(substring(target ->> 'url' from '(?i)^[a-z]+://(?:[^/?#@]*@)?([^/?#]+)')),
                                'workspace:' || workspace_id::text)) stored,
  check (attempt_count <= max_attempts),
  check (status <> 'queued' or attempt_count < max_attempts),
  check ((status in ('completed', 'failed', 'cancelled')) = (finished_at is not null)),
  check (status <> 'running' or token is not null),
  check (status <> 'failed' or failure_reason is not null)
);
create unique index firings_once_per_nominal on firings (schedule_id, nominal_at)
  where source in ('scheduled', 'heartbeat', 'backfill');
create index firings_queued on firings (line_no) where status = 'queued';
create index firings_running on firings (workspace_id) where status = 'running';
create index firings_unfinished on firings (schedule_id) where status in ('queued', 'running');
create index firings_newest on firings (queued_at desc, id desc);
create index firings_ended on firings (finished_at desc) where finished_at is not null;
create index firings_of_schedule on firings (schedule_id, queued_at desc);

create table attempts (
  id                    uuid primary key default gen_random_uuid(),
  firing_id             uuid not null references firings on delete cascade,
  number                integer not null check (number >= 1),
  token                 bigint not null unique,
  request_id            uuid not null unique,
  worker                jsonb not null,
  celery_task_id        text,
  remote_ref            text,
  claimed_at            moment not null,
  heartbeat_expires_at  moment not null,
  lease_ms              integer not null check (lease_ms > 0),
  run_expires_at        moment not null,
  abort_requested_at    moment,
  abort_reason          text,
  interrupting          boolean not null default false,
  dead_ticks            integer not null default 0 check (dead_ticks >= 0),
  dead_tick_at          moment,
  exit_code             integer,
  exit_reason           text,
  exited_at             moment,
  ended_at              moment,
  outcome               text check (outcome in (
                          'completed', 'failed', 'requeued', 'interrupted', 'not_started', 'cancelled', 'fenced')),
  failure_reason        text,
  turns                 integer not null default 0,
  input_tokens          bigint,
  output_tokens         bigint,
  cost_micros           bigint,
  peak_rss_mb           real,
  late_result           jsonb,
  unique (firing_id, number),
  check ((ended_at is null) = (outcome is null)),
  check ((abort_requested_at is null) = (abort_reason is null))
);
create unique index attempts_one_live on attempts (firing_id) where ended_at is null;
create unique index attempts_one_success on attempts (firing_id) where outcome = 'completed';
create index attempts_live on attempts (heartbeat_expires_at) where ended_at is null;

create table skips (
  id           uuid primary key,
  schedule_id  uuid not null references schedules,
  first_at     moment not null,
  last_at      moment not null,
  count        bigint not null check (count >= 1),
  reason       text not null check (reason in (
                 'overlap', 'native', 'paused', 'missed', 'deadline', 'budget', 'quarantined', 'workspace', 'manual')),
  detail       text,
  at           moment not null default now(),
  check (first_at <= last_at)
);
create index skips_of_schedule on skips (schedule_id, last_at desc);

create table firing_events (
  firing_id  uuid not null references firings on delete cascade,
  token      bigint not null,
  seq        integer not null check (seq >= 1),
  at         moment not null default now(),
  kind       text not null check (kind in ('turn', 'log', 'message', 'tool', 'error')),
  data       jsonb not null,
  primary key (firing_id, token, seq)
);

create table schedule_firing_metrics (
  firing_id             uuid primary key,
  schedule_id           uuid,
  workspace_id          uuid not null,
  fired_at              moment not null,
  slot_claimed_at       moment,
  completed_at          moment not null,
  slot_wait_ms          bigint,
  duration_ms           bigint,
  turn_count            integer,
  max_turns_at_firing   integer,
  event_loop_lag_ms     real,
  peak_rss_mb           real,
  interactive_streams   integer,
  concurrent_firings    integer,
  failure_reason        text
);
create index metrics_of_schedule on schedule_firing_metrics (schedule_id, completed_at desc);
create index metrics_completed on schedule_firing_metrics (completed_at);

create table activity_logs (
  id            uuid primary key default gen_random_uuid(),
  workspace_id  uuid,
  schedule_id   uuid,
  firing_id     uuid,
  type          text not null,
  status        text not null default 'ok' check (status in ('ok', 'error', 'cancelled')),
  actor         text not null,
  request_body  jsonb not null default '{}',
  error_detail  text,
  duration_ms   bigint,
  at            moment not null default now()
);
create index activity_newest on activity_logs (at desc);
create index activity_of_schedule on activity_logs (schedule_id, at desc);
create index activity_of_firing on activity_logs (firing_id);

-- Limits and slots: the mirror that can say no ---------------------------------------------------

-- A limit has as many slot rows as its cap; `surplus` counts the held rows that a lowered cap still owes.
create table limits (
  key         text primary key check (key = 'fleet' or key ~ '^workspace:[0-9a-f-]{36}$' or key ~ '^lane:.{1,100}$'),
  cap         integer not null check (cap between 0 and 10000),
  surplus     integer not null default 0 check (surplus >= 0),
  updated_at  moment not null default now(),
  updated_by  text not null default 'system'
);

create table slots (
  limit_key  text not null references limits on delete cascade,
  number     bigint not null,
  token      bigint,
  forced     boolean not null default false,
  primary key (limit_key, number),
  check (not forced or token is not null)
) with (fillfactor = 50);
create unique index slots_of_token on slots (token, limit_key) where token is not null;
create index slots_free on slots (limit_key, number) where token is null;

-- Settings and the smaller tables ----------------------------------------------------------------

create table settings (
  key         text primary key,
  value       text not null,
  updated_at  moment not null default now(),
  updated_by  text not null default 'system'
);

create table api_tokens (
  id            uuid primary key,
  name          text not null,
  prefix        text not null unique,
  hash          bytea not null,
  scopes        text[] not null,
  workspace_id  uuid references workspaces,
  created_at    moment not null default now(),
  expires_at    moment,
  last_used_at  moment,
  revoked_at    moment
);

-- One row per maintenance task: whoever moves `ran_at` runs it, everybody else ends at once.
create table cadence (
  name         text primary key,
  ran_at       moment not null,
  finished_at  moment,
  outcome      text,
  counts       jsonb not null default '{}'
);

-- Workers and beats with their last sign.
create table processes (
  id          text primary key,
  kind        text not null check (kind in ('worker', 'beat', 'api')),
  node        text not null,
  boot_id     text not null,
  pid         integer not null,
  pid_start   bigint not null,
  capacity    integer not null default 0,
  facts       jsonb not null default '{}',
  started_at  moment not null default now(),
  seen_at     moment not null default now()
);

create table failure_classes (
  key         text primary key,
  reason      text not null,
  tripped_at  moment not null,
  probe_id    uuid,
  healed_at   moment
);

create table idempotency_keys (
  key           text not null,
  scope         text not null,
  request_hash  bytea not null,
  status        integer not null,
  answer        jsonb not null,
  at            moment not null default now(),
  primary key (scope, key)
);

create table restarts (
  workspace_id  uuid primary key references workspaces,
  running_by    text,
  running_until moment,
  pending       boolean not null default false,
  requested_at  moment not null default now()
);

create table alerts (
  id            uuid primary key,
  dedupe_key    text not null,
  kind          text not null,
  title         text not null,
  body          text not null,
  workspace_id  uuid,
  schedule_id   uuid,
  firing_id     uuid,
  tries         integer not null default 0,
  next_try_at   moment not null default now(),
  sent_at       moment,
  last_error    text,
  at            moment not null default now()
);
create index alerts_to_send on alerts (next_try_at) where sent_at is null;
