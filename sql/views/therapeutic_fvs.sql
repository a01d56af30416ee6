-- One row for each arm of an antibody in `proteins`: its heavy and light V domains beside the molecule's name, target, format and
-- stage. A single-domain antibody has no light chain.
CREATE VIEW main.therapeutic_fvs AS
WITH domains AS (
  -- A molecule with two equal arms names one V domain twice.
  SELECT DISTINCT source_file, source_record, v_domain_hash, v_domain_aa, v_gene, cdr1_aa, cdr2_aa, cdr3_aa
  FROM main.chains
  WHERE v_domain_hash IS NOT NULL
), arms AS (
  SELECT pc.protein_id, pc.source_file, pc.source_record, coalesce(pc.arm, 1) AS arm,
    CASE WHEN pc.role = 'VL' THEN 'light' ELSE 'heavy' END AS side, pc.role,
    d.v_domain_hash, d.v_domain_aa, d.cdr1_aa, d.cdr2_aa, d.cdr3_aa
  FROM main.protein_chains pc
  JOIN domains d
    ON d.source_file = pc.source_file AND d.source_record = pc.source_record AND d.v_domain_hash = pc.v_domain_hash
)
SELECT
  p.protein_id, p.name, p.target, p.format, p.stage, p.organism, h.arm, h.role AS heavy_role,
  h.v_domain_aa AS heavy_v_domain_aa, l.v_domain_aa AS light_v_domain_aa,
  h.v_domain_hash AS heavy_v_domain_hash, l.v_domain_hash AS light_v_domain_hash,
  h.cdr1_aa AS heavy_cdr1_aa, h.cdr2_aa AS heavy_cdr2_aa, h.cdr3_aa AS heavy_cdr3_aa,
  l.cdr1_aa AS light_cdr1_aa, l.cdr2_aa AS light_cdr2_aa, l.cdr3_aa AS light_cdr3_aa,
  p.cross_references, p.study_id, p.source_file
FROM main.proteins p
JOIN arms h ON h.protein_id = p.protein_id AND h.source_file = p.source_file AND h.source_record = p.source_record AND h.side = 'heavy'
LEFT JOIN arms l
  ON l.protein_id = h.protein_id AND l.source_file = h.source_file AND l.source_record = h.source_record AND l.arm = h.arm AND l.side = 'light'
WHERE p.kind = 'antibody';
