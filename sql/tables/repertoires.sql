-- One AIRR repertoire: where chains came from.
CREATE TABLE main.repertoires (
  repertoire_id     STRING NOT NULL     COMMENT 'AIRR repertoire_id, or a stable one made from the metadata',
  study_id          STRING              COMMENT 'AIRR study_id',
  subject_id        STRING              COMMENT 'AIRR subject_id',
  sample_id         STRING              COMMENT 'AIRR sample_id',
  species           STRING              COMMENT 'Closed vocabulary, as in chains',
  strain            STRING              COMMENT 'Strain of the animal',
  age               STRING              COMMENT 'Age, in the words of the source',
  sex               STRING              COMMENT 'Sex',
  disease           STRING              COMMENT 'Disease state',
  vaccine           STRING              COMMENT 'Vaccination',
  tissue            STRING              COMMENT 'Tissue',
  cell_subset       STRING              COMMENT 'Cell subset (OAS BType)',
  timepoint         STRING              COMMENT 'Time of sampling (OAS Longitudinal)',
  library_type      STRING              COMMENT 'bulk, single_cell, display or as the source says',
  germline_database STRING              COMMENT 'Germline set behind the calls',
  attributes        MAP<STRING, STRING> COMMENT 'All else the source gave',
  source_file       STRING NOT NULL     COMMENT 'URL of the input',
  ingested_at       TIMESTAMP NOT NULL  COMMENT 'When the record was ingested (UTC)'
)
TBLPROPERTIES (
  'delta.checkpointInterval' = '10',
  'delta.setTransactionRetentionDuration' = 'interval 30 days'
);
