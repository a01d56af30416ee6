-- Records that could not be read: the rest of their file went on.
CREATE TABLE system.rejects (
  source_file   STRING NOT NULL    COMMENT 'URL of the input',
  source_record BIGINT             COMMENT 'Record within the input, from 1; NULL where the file as a whole is meant',
  reason        STRING NOT NULL    COMMENT 'What is wrong and where',
  text          STRING             COMMENT 'The record as it was, cut to 4,096 characters',
  rejected_at   TIMESTAMP NOT NULL COMMENT 'When (UTC)'
)
TBLPROPERTIES (
  'delta.checkpointInterval' = '10',
  'delta.setTransactionRetentionDuration' = 'interval 30 days'
);
