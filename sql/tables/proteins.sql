-- A molecule with metadata: therapeutics, antigens, and records without a V domain.
CREATE TABLE main.proteins (
  protein_id     STRING NOT NULL     COMMENT 'Identifier given by the source',
  kind           STRING NOT NULL     COMMENT 'antibody, antigen or other',
  name           STRING              COMMENT 'Preferred name',
  names          ARRAY<STRING>       COMMENT 'All names',
  description    STRING              COMMENT 'Free text of the source',
  target         STRING              COMMENT 'What it binds',
  format         STRING              COMMENT 'Molecular format, such as IgG1 or scFv',
  stage          STRING              COMMENT 'Stage of development',
  organism       STRING              COMMENT 'Organism in the words of the source',
  sequence_aa    STRING              COMMENT 'Polypeptide as given',
  sequence_hash  STRING              COMMENT 'SHA-256 (hex) of upper-case sequence_aa without white space, gaps or one terminal *',
  cross_references MAP<STRING, STRING> COMMENT 'Database name to accession',
  study_id       STRING              COMMENT 'AIRR study',
  attributes     MAP<STRING, STRING> COMMENT 'All else the source gave',
  source_file    STRING NOT NULL     COMMENT 'URL of the input',
  source_record  BIGINT NOT NULL     COMMENT 'Record within the input, from 1',
  ingested_at    TIMESTAMP NOT NULL  COMMENT 'When the record was ingested (UTC)'
)
PARTITIONED BY (kind)
TBLPROPERTIES (
  'delta.checkpointInterval' = '10',
  'paratope.sortColumns' = 'protein_id',
  'paratope.plainColumns' = 'sequence_aa',
  'delta.dataSkippingStatsColumns' = 'protein_id,name,target,format,stage,organism,sequence_hash,study_id,ingested_at',
  'delta.setTransactionRetentionDuration' = 'interval 30 days'
);
