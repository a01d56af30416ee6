-- title: The therapeutic closest to a query, by its CDRs
-- ab_identity aligns both V domains by IMGT position: matches by columns that either occupies, here over the three CDRs.
WITH query AS (
  SELECT 'EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS' AS vh
)
SELECT t.name, t.target, t.heavy_cdr3_aa AS cdrh3,
       round(ab_identity(t.heavy_v_domain_aa, query.vh, 'cdrs'), 3) AS cdr_identity,
       round(ab_identity(t.heavy_v_domain_aa, query.vh), 3)         AS v_identity
FROM therapeutic_fvs t
CROSS JOIN query
ORDER BY cdr_identity DESC, v_identity DESC, t.name
LIMIT 5;
