-- job: ingest_nightly
-- schedule: 0 2 * * *
-- timeout: 6h
-- Files of the folder `incoming` (where the server was started): each is ingested once, however often the job runs.
COPY INTO chains FROM 'incoming/*'
