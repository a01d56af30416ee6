-- job: embed_chains
-- schedule: 0 4 * * *
-- target: chain_embeddings
-- mode: incremental on chains
-- key: v_domain_hash
-- chunk: 64 MB
-- timeout: 24h
-- after: ingest_nightly
-- Embedding of each V domain by AntiBERTy (first `paratope model pull antiberty`), computed once however often the domain occurs.
SELECT v_domain_hash, plm_embed(v_domain_aa, 'antiberty') AS embedding
FROM chains
WHERE v_domain_aa IS NOT NULL
