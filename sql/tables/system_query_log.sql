-- Statements that servers carried out, from their place in the line to their end.
CREATE TABLE system.query_log (
  query_id          STRING NOT NULL    COMMENT 'Id of the statement, as in system.queries and in logs',
  user              STRING NOT NULL    COMMENT 'Who asked',
  statement         STRING NOT NULL    COMMENT 'The statement; literals are masked unless the server keeps them',
  plan_hash         STRING             COMMENT 'Hash of the optimised plan; NULL where it was not planned',
  status            STRING NOT NULL    COMMENT 'succeeded, failed, cancelled or timed_out',
  error             STRING             COMMENT 'Why it did not succeed',
  enqueued_at       TIMESTAMP NOT NULL COMMENT 'When it came (UTC)',
  started_at        TIMESTAMP          COMMENT 'When its turn came (UTC); NULL where it never did',
  ended_at          TIMESTAMP NOT NULL COMMENT 'When its last row was given, or it was stopped (UTC)',
  rows              BIGINT NOT NULL    COMMENT 'Rows given',
  bytes             BIGINT NOT NULL    COMMENT 'Bytes of the rows given, in memory',
  peak_memory_bytes BIGINT NOT NULL    COMMENT 'Most memory that its operators held at a time',
  spilled_bytes     BIGINT NOT NULL    COMMENT 'What its operators wrote to disk for want of memory',
  sent_again        STRING             COMMENT 'Why it was sent to other nodes of the cluster again, a line each time; NULL where it was not'
)
TBLPROPERTIES (
  'delta.checkpointInterval' = '10',
  'delta.setTransactionRetentionDuration' = 'interval 30 days'
);
