-- job: v_gene_usage
-- schedule: 0 5 * * *
-- target: v_gene_usage
-- mode: replace
-- after: ingest_nightly
-- How often each subject uses each V gene.
SELECT study_id, subject_id, chain, v_gene,
  count(*) AS chains,
  count(DISTINCT cdr3_aa) AS distinct_cdr3
FROM chains
WHERE v_gene IS NOT NULL
GROUP BY study_id, subject_id, chain, v_gene
