-- The permanent ledger of inputs: what was ingested, once and for all.
CREATE TABLE system.files (
  input_id    STRING NOT NULL    COMMENT 'SHA-256 (hex) of content, reader and its version, and the options that change rows',
  source_file STRING             COMMENT 'URL of the input',
  format      STRING             COMMENT 'Reader',
  bytes       BIGINT             COMMENT 'Size of the input as stored',
  records     BIGINT             COMMENT 'Records consumed',
  chains      BIGINT             COMMENT 'Rows in chains',
  proteins    BIGINT             COMMENT 'Rows in proteins',
  rejects     BIGINT             COMMENT 'Rows in system.rejects',
  options     STRING             COMMENT 'Options that change rows (JSON)',
  ingested_at TIMESTAMP NOT NULL COMMENT 'When (UTC)'
)
TBLPROPERTIES (
  'delta.checkpointInterval' = '10',
  'delta.setTransactionRetentionDuration' = 'interval 30 days'
);
