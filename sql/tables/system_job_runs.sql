-- Runs of jobs, from their start to their end.
CREATE TABLE system.job_runs (
  run_id         STRING NOT NULL    COMMENT 'Id of the run; results carry it in _run_id',
  job            STRING NOT NULL    COMMENT 'Name of the job',
  cause          STRING NOT NULL    COMMENT 'What started it: schedule, after, hand or backfill',
  status         STRING NOT NULL    COMMENT 'succeeded, failed, cancelled, timed_out, or interrupted where its process ended or was told to',
  error          STRING             COMMENT 'Why it did not succeed',
  scheduled_at   TIMESTAMP          COMMENT 'The moment of the schedule that it was for (UTC); NULL where none was',
  started_at     TIMESTAMP NOT NULL COMMENT 'Start (UTC)',
  ended_at       TIMESTAMP NOT NULL COMMENT 'End (UTC); of a run whose process died: when that was found',
  attempts       BIGINT NOT NULL    COMMENT 'Times that it was tried: more than one after transient failures',
  target         STRING             COMMENT 'Table that it writes',
  source         STRING             COMMENT 'Table whose new rows an incremental job reads',
  source_from    BIGINT             COMMENT 'First version of the source that it read',
  source_to      BIGINT             COMMENT 'Last version of the source that it read',
  target_version BIGINT             COMMENT 'Last version of the target that it wrote',
  chunks         BIGINT NOT NULL    COMMENT 'Commits that it made',
  rows_read      BIGINT NOT NULL    COMMENT 'Rows of the source that it read, as far as the log tells',
  bytes_read     BIGINT NOT NULL    COMMENT 'Bytes of the source files that it read',
  rows_written   BIGINT NOT NULL    COMMENT 'Rows that it wrote',
  bytes_written  BIGINT NOT NULL    COMMENT 'Bytes of the files that it wrote',
  calls_computed BIGINT             COMMENT 'Calls of expensive functions that were computed; NULL where none was in the plan',
  calls_remembered BIGINT           COMMENT 'Calls of expensive functions answered by an equal one before',
  tokens         BIGINT             COMMENT 'Tokens that language models saw; NULL where none was asked',
  cost_s         DOUBLE             COMMENT 'Time of all threads in the operators of its plans, seconds',
  plan_hash      STRING             COMMENT 'Hash of the plan: equal for plans that print alike',
  definition_hash STRING            COMMENT 'SHA-256 (hex) of the job as it was written',
  engine_version STRING NOT NULL    COMMENT 'Version of paratope',
  host           STRING NOT NULL    COMMENT 'Machine and process'
)
TBLPROPERTIES (
  'delta.checkpointInterval' = '10',
  'delta.setTransactionRetentionDuration' = 'interval 30 days'
);
