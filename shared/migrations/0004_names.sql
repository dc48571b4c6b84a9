-- A schedule that has ended, or was deleted and kept for its history, does not hold its name for ever.
alter table schedules drop constraint schedules_workspace_id_name_key;
create unique index schedules_one_name on schedules (workspace_id, name) where status <> 'archived';
create index schedules_of_workspace on schedules (workspace_id, name);
