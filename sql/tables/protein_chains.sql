-- The chains of a molecule.
CREATE TABLE main.protein_chains (
  protein_id    STRING NOT NULL COMMENT 'Molecule (proteins.protein_id)',
  arm           INT             COMMENT 'Arm of the molecule, from 1',
  role          STRING          COMMENT 'VH, VL, VHH, scFv or constant',
  copies        INT             COMMENT 'Copies in the molecule',
  sequence_hash STRING          COMMENT 'chains.sequence_hash',
  v_domain_hash STRING          COMMENT 'chains.v_domain_hash',
  source_file   STRING          COMMENT 'URL of the input',
  source_record BIGINT          COMMENT 'Record within the input, from 1',
  ingested_at   TIMESTAMP       COMMENT 'When the record was ingested (UTC)'
)
TBLPROPERTIES (
  'delta.checkpointInterval' = '10',
  'paratope.sortColumns' = 'protein_id',
  'delta.setTransactionRetentionDuration' = 'interval 30 days'
);
