-- The permanent ledger of inputs: what was ingested, once and for all. Rows are never changed: where RESTORE
-- takes an input out of chains, a row says undone, and a row says redone where it brings it back.
CREATE TABLE system.files (
  input_id    STRING NOT NULL    COMMENT 'SHA-256 (hex) of content, reader and its version, and the options that change rows',
  source_file STRING             COMMENT 'URL of the input',
  format      STRING             COMMENT 'Reader',
  bytes       BIGINT             COMMENT 'Size of the input as stored',
  records     BIGINT             COMMENT 'Records consumed',
  chains      BIGINT             COMMENT 'Rows in chains; NULL where the process ended before it could tell, as in the next two',
  proteins    BIGINT             COMMENT 'Rows in proteins',
  rejects     BIGINT             COMMENT 'Rows in system.rejects',
  options     STRING             COMMENT 'Options that change rows (JSON)',
  event       STRING             COMMENT 'ingested; undone or redone by a RESTORE of chains; NULL means ingested',
  ingested_at TIMESTAMP NOT NULL COMMENT 'When the event was (UTC)'
)
TBLPROPERTIES (
  'delta.checkpointInterval' = '10',
  'delta.setTransactionRetentionDuration' = 'interval 30 days'
);
