-- A workspace that was removed, and is kept for its history, does not hold its name for ever.
alter table workspaces drop constraint workspaces_name_key;
create unique index workspaces_one_name on workspaces (name) where status <> 'removed';
