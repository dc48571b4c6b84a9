-- Whoever deletes a schedule says that what runs of it is not tried again.
insert into role_grants (role, rights, thing) values ('slotbeat_api', 'update (max_attempts)', 'firings');
select grant_roles();
