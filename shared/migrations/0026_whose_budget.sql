-- Whoever ends a firing compares its turn budget with its schedule's.
insert into role_grants (role, rights, thing) values ('slotbeat_worker', 'select (max_turns)', 'schedules');
select grant_roles();
