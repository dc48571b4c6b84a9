-- A schedule gets a new version whenever it fires, and another when the run ends. Pages that were filled to the brim
-- have no room for it: a tick of many then writes pages of its own beside those that it has locked rows in.
-- As decided in docs/decisions/0085-half-full-pages.md; pages that there are get room as their old versions go.
alter table schedules set (fillfactor = 50);
