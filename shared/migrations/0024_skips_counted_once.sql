-- A backfill takes occurrences out of a skip: the row goes, and what is left of its range is written anew. What the
-- skip counted stays counted, once: a row that goes before it was folded is folded as it goes, and the new ones count
-- nothing.
create function skip_goes_counted() returns trigger language plpgsql as $$
begin
  insert into tallies as t (name, label, value) values ('skips', old.reason, old.count)
  on conflict (name, label) do update set value = t.value + excluded.value;
  return null;
end $$;
create trigger skip_goes_counted after delete on skips
  for each row when (not old.is_counted) execute function skip_goes_counted();

select grant_roles();
