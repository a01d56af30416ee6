-- job: annotate_chains
-- schedule: 0 3 * * *
-- target: annotations
-- mode: incremental on chains
-- key: v_domain_hash
-- chunk: 64 MB
-- timeout: 12h
-- after: ingest_nightly
-- Regions, liabilities and CDR lengths of each V domain, computed once however often the domain occurs.
SELECT v_domain_hash,
  ab_regions(v_domain_aa) AS regions,
  ab_liabilities(v_domain_aa) AS liabilities,
  ab_cdr_lengths(v_domain_aa) AS cdr_lengths
FROM chains
WHERE v_domain_aa IS NOT NULL
