-- Results of language models that queries, jobs and nodes share, where models.share_results is on.
CREATE TABLE system.inference_results (
  call        STRING NOT NULL    COMMENT 'SHA-256 (hex) of the function, the bytes of the model, the options, and whose results they are',
  key         BINARY NOT NULL    COMMENT 'SHA-256 of the call and the texts that it was given',
  function    STRING NOT NULL    COMMENT 'The function, as plm_embed',
  model       STRING NOT NULL    COMMENT 'The model, name@version',
  result      BINARY NOT NULL    COMMENT 'The result: an Arrow IPC stream of one column and one row',
  computed_at TIMESTAMP NOT NULL COMMENT 'When it was computed (UTC)'
)
PARTITIONED BY (call)
TBLPROPERTIES (
  'delta.checkpointInterval' = '10',
  'delta.setTransactionRetentionDuration' = 'interval 30 days',
  'paratope.retain' = '365 days on computed_at'
);
