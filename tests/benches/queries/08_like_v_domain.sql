-- V domains that end in the long form of IGHJ6, by V gene.
SELECT v_gene, count(*) AS chains
FROM chains
WHERE v_domain_aa LIKE '%YYYGMDVWGQG%'
GROUP BY v_gene
