-- Lengths of CDR3s by chain.
SELECT chain, length(cdr3_aa) AS cdr3_length, count(*) AS chains
FROM chains
WHERE cdr3_aa IS NOT NULL
GROUP BY chain, length(cdr3_aa)
