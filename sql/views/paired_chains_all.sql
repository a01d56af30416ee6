-- Every heavy chain with every light chain of the same cell, structure or paired row, whatever their quality. Cells with two heavy and
-- two light chains have four rows; `paired_chains` has one.
CREATE VIEW main.paired_chains_all AS
SELECT
  h.pair_id, h.cell_id, h.species, h.study_id, h.subject_id, h.sample_id, h.repertoire_id,
  h.sequence_id AS heavy_sequence_id, l.sequence_id AS light_sequence_id,
  h.locus AS heavy_locus, l.locus AS light_locus,
  h.v_gene AS heavy_v_gene, l.v_gene AS light_v_gene,
  h.cdr3_aa AS heavy_cdr3_aa, l.cdr3_aa AS light_cdr3_aa,
  h.productive AS heavy_productive, l.productive AS light_productive,
  h.umi_count AS heavy_umi_count, l.umi_count AS light_umi_count,
  h.v_domain_aa AS heavy_v_domain_aa, l.v_domain_aa AS light_v_domain_aa,
  h.v_domain_hash AS heavy_v_domain_hash, l.v_domain_hash AS light_v_domain_hash,
  h.source_file
FROM main.chains h
JOIN main.chains l ON h.pair_id = l.pair_id
WHERE (h.chain = 'heavy' AND l.chain = 'light')
   OR (h.chain = 'beta' AND l.chain = 'alpha')
   OR (h.chain = 'delta' AND l.chain = 'gamma');
