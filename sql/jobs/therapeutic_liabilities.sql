-- job: therapeutic_liabilities
-- schedule: 30 4 * * *
-- target: therapeutic_liabilities
-- mode: replace
-- Liabilities of both V domains of each antibody in proteins.
SELECT protein_id, arm,
  ab_liabilities(heavy_v_domain_aa) AS heavy_liabilities,
  ab_liabilities(light_v_domain_aa) AS light_liabilities
FROM therapeutic_fvs
