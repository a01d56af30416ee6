-- How often each V gene is used.
SELECT v_gene, count(*) AS chains
FROM chains
GROUP BY v_gene
