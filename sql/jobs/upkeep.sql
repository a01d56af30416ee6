-- job: upkeep
-- schedule: 0 6 * * 0
-- timeout: 12h
-- Every table: expired rows, small files, long logs, and files that no version within the retention needs.
MAINTAIN
