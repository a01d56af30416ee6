-- V domains with an N-glycosylation site, by chain.
SELECT chain, count(*) AS chains
FROM chains
WHERE regexp_like(v_domain_aa, 'N[^P][ST]')
GROUP BY chain
