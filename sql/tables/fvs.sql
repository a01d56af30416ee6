-- An Fv of a model of a structure: a VH and a VL that pair, or one without partner; what they bind.
CREATE TABLE main.fvs (
  pdb_id              STRING NOT NULL    COMMENT 'structures.pdb_id',
  model               INT NOT NULL       COMMENT 'structures.model',
  pair_id             STRING             COMMENT 'chains.pair_id of both chains; NULL where there is one only',
  heavy_chain         STRING             COMMENT 'structures.auth_asym_id of the VH; NULL where there is none',
  light_chain         STRING             COMMENT 'structures.auth_asym_id of the VL; NULL where there is none; that of the VH in an scFv',
  pairing             STRING NOT NULL    COMMENT 'remark (REMARK 5 of SAbDab), chain (VH and VL of one chain), geometry (contacts), summary (a row of SAbDab) or none (without partner)',
  contact_count       INT                COMMENT 'Pairs of Cα of VH and VL within 8 Å',
  heavy_sequence_id   STRING             COMMENT 'chains.sequence_id of the VH',
  light_sequence_id   STRING             COMMENT 'chains.sequence_id of the VL',
  heavy_v_domain_hash STRING             COMMENT 'chains.v_domain_hash of the VH',
  light_v_domain_hash STRING             COMMENT 'chains.v_domain_hash of the VL',
  heavy_organism      STRING             COMMENT 'structures.organism of the VH',
  light_organism      STRING             COMMENT 'structures.organism of the VL',
  antigens            ARRAY<STRUCT<chain: STRING, kind: STRING, name: STRING>>
                                         COMMENT 'What it binds: chain, kind (protein, peptide, hapten, carbohydrate, nucleic-acid), name of the molecule or components of a hapten; without a remark polypeptides with 5 contacts of Cα within 8 Å of the CDRs',
  affinity_kd_m       DOUBLE             COMMENT 'Dissociation constant in mol/L; files of coordinates do not give it',
  method              STRING             COMMENT 'structures.method',
  resolution          DOUBLE             COMMENT 'structures.resolution, in Å',
  warnings            ARRAY<STRING>      COMMENT 'Warnings of SAbDab, and chains that its remark names and the file lacks',
  attributes          MAP<STRING, STRING> COMMENT 'All else the source gave',
  source_file         STRING NOT NULL    COMMENT 'URL of the input',
  source_record       BIGINT NOT NULL    COMMENT 'Fv within the input, from 1, all models counted',
  ingested_at         TIMESTAMP NOT NULL COMMENT 'When the record was ingested (UTC)'
)
TBLPROPERTIES (
  'delta.checkpointInterval' = '10',
  'paratope.sortColumns' = 'pdb_id,model,heavy_chain',
  'delta.dataSkippingStatsColumns' = 'pdb_id,model,pair_id,heavy_chain,light_chain,pairing,heavy_v_domain_hash,light_v_domain_hash,method,resolution,ingested_at',
  'delta.setTransactionRetentionDuration' = 'interval 30 days'
);
