-- The activity log had two indexes of one column, one for each direction: Postgres reads either both ways, and each
-- entry, of which every settle writes some, was entered into both.
drop index activity_oldest;
