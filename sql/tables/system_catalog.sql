-- What is in the lake: the latest row of a name counts.
CREATE TABLE system.catalog (
  schema_name STRING NOT NULL    COMMENT 'Schema: main or system',
  name        STRING NOT NULL    COMMENT 'Name within the schema',
  kind        STRING NOT NULL    COMMENT 'table, view, job, model or grant',
  location    STRING             COMMENT 'Folder, relative to the lake; or a URL',
  definition  STRING             COMMENT 'SQL that defines it',
  dropped     BOOLEAN NOT NULL   COMMENT 'True where the name was retired',
  changed_at  TIMESTAMP NOT NULL COMMENT 'When (UTC)'
)
TBLPROPERTIES (
  'delta.checkpointInterval' = '10',
  'delta.setTransactionRetentionDuration' = 'interval 30 days'
);
