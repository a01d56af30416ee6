-- Cells (and structures, and rows of paired repertoires) with one heavy and one light chain each, productive chains only. Where a cell has
-- several of a kind, the one with most UMIs counts, then most reads, then the first identifier; `ambiguous` says so. Beta and
-- delta stand for heavy, alpha and gamma for light; a cell with chains of B and of T cells has a row for each (`locus_group`).
CREATE VIEW main.paired_chains AS
WITH productive_chains AS (
  SELECT *,
    CASE WHEN chain IN ('heavy', 'light') THEN 'IG' WHEN chain IN ('alpha', 'beta') THEN 'TRAB' ELSE 'TRGD' END AS locus_group,
    CASE WHEN chain IN ('heavy', 'beta', 'delta') THEN 'heavy' ELSE 'light' END AS side
  FROM main.chains
  -- Where the source does not say, a V domain that could be read was productive.
  WHERE pair_id IS NOT NULL AND chain <> 'unknown' AND coalesce(productive, v_domain_aa IS NOT NULL)
), ranked AS (
  SELECT *,
    row_number() OVER (
      PARTITION BY pair_id, locus_group, side
      ORDER BY umi_count DESC NULLS LAST, coalesce(consensus_count, duplicate_count) DESC NULLS LAST, sequence_id, domain_index
    ) AS place,
    count(*) OVER (PARTITION BY pair_id, locus_group, side) AS n
  FROM productive_chains
)
SELECT
  h.pair_id, h.locus_group, h.cell_id, h.species, h.study_id, h.subject_id, h.sample_id, h.repertoire_id,
  h.sequence_id AS heavy_sequence_id, l.sequence_id AS light_sequence_id,
  h.locus AS heavy_locus, l.locus AS light_locus,
  h.v_gene AS heavy_v_gene, l.v_gene AS light_v_gene,
  h.j_gene AS heavy_j_gene, l.j_gene AS light_j_gene,
  h.c_call AS heavy_c_call, l.c_call AS light_c_call,
  h.cdr3_aa AS heavy_cdr3_aa, l.cdr3_aa AS light_cdr3_aa,
  h.v_identity AS heavy_v_identity, l.v_identity AS light_v_identity,
  h.umi_count AS heavy_umi_count, l.umi_count AS light_umi_count,
  h.v_domain_aa AS heavy_v_domain_aa, l.v_domain_aa AS light_v_domain_aa,
  h.v_domain_hash AS heavy_v_domain_hash, l.v_domain_hash AS light_v_domain_hash,
  h.clone_id, h.source_file,
  h.n AS n_heavy, l.n AS n_light, h.n > 1 OR l.n > 1 AS ambiguous
FROM ranked h
JOIN ranked l ON h.pair_id = l.pair_id AND h.locus_group = l.locus_group
WHERE h.side = 'heavy' AND h.place = 1 AND l.side = 'light' AND l.place = 1;
