-- CDR3s with two cysteines three to five residues apart, by V gene.
SELECT v_gene, count(*) AS chains
FROM chains
WHERE regexp_like(cdr3_aa, 'C[A-Z]{3,5}C')
GROUP BY v_gene
