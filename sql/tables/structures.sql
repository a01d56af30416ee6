-- A chain of a model of a structure (PDB, mmCIF): polymers, and chains of ligands alone.
CREATE TABLE main.structures (
  pdb_id            STRING NOT NULL    COMMENT 'Entry, lower case; the name of the file where it gives none',
  model             INT NOT NULL       COMMENT 'Model of the entry, as numbered there',
  auth_asym_id      STRING NOT NULL    COMMENT 'Chain as the author calls it (case matters); _ where that is blank',
  label_asym_id     STRING             COMMENT 'Chain as mmCIF calls it; NULL for PDB files',
  chain_type        STRING NOT NULL    COMMENT 'heavy, light, alpha, beta, gamma or delta (V domains of one kind), scfv (VH and VL), mixed (others together), protein, peptide (fewer than 50 residues), nucleic_acid or other',
  molecule          STRING             COMMENT 'Name of the molecule (COMPND, _entity.pdbx_description)',
  organism          STRING             COMMENT 'Organism of its gene, in the words of the source (SOURCE, _entity_src_*)',
  method            STRING             COMMENT 'Experimental methods, joined by ; (EXPDTA, _exptl.method)',
  resolution        DOUBLE             COMMENT 'Resolution in Å (REMARK 2, _refine, _em_3d_reconstruction, _reflns)',
  sequence_source   STRING             COMMENT 'seqres (SEQRES, _pdbx_poly_seq_scheme, _entity_poly_seq) or atoms (of residues that have atoms only)',
  sequence_hash     STRING             COMMENT 'chains.sequence_hash: SHA-256 (hex) of sequence; NULL unless a polypeptide',
  residue_count     INT NOT NULL       COMMENT 'Residues of sequence',
  observed_count    INT NOT NULL       COMMENT 'Residues of which an atom was observed',
  title             STRING             COMMENT 'Title of the entry',
  ligands           ARRAY<STRING>      COMMENT 'Chemical components under the identifier that are not part of the polymer, each once, without water',
  sequence          STRING             COMMENT 'A letter for each residue, modified residues by what they were, X where that is not known',
  residues          ARRAY<STRUCT<number: INT, insertion_code: STRING, residue: STRING, parent_residue: STRING, is_observed: BOOLEAN, ca_x: DOUBLE, ca_y: DOUBLE, ca_z: DOUBLE, missing_atoms: INT>>
                                       COMMENT 'A residue for each letter of sequence: number and insertion code of the author, component, amino acid it is or was, Cα in Å (of alternate locations the one with the highest occupancy, of equals the first), count of missing atoms; NULL where not observed or not known',
  source_file       STRING NOT NULL    COMMENT 'URL of the input',
  source_record     BIGINT NOT NULL    COMMENT 'Chain within the input, from 1, all models counted',
  ingested_at       TIMESTAMP NOT NULL COMMENT 'When the record was ingested (UTC)'
)
TBLPROPERTIES (
  'delta.checkpointInterval' = '10',
  'paratope.sortColumns' = 'pdb_id,model,auth_asym_id',
  'paratope.plainColumns' = 'sequence',
  'delta.dataSkippingStatsColumns' = 'pdb_id,model,auth_asym_id,chain_type,organism,method,resolution,sequence_hash,ingested_at',
  'delta.setTransactionRetentionDuration' = 'interval 30 days'
);
