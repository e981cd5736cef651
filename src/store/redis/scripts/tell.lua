-- Tells all nodes of a change that was made by another script, in another slot.
-- ARGV[3]: its kind; ARGV[4]: its subject.
tell(ARGV[3], ARGV[4])
return 1
