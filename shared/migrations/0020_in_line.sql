-- The unfinished firings of a schedule in the order of its line: who looks for its next one finds it first.
drop index firings_unfinished;
create index firings_unfinished on firings (schedule_id, line_no) where status in ('queued', 'running');
