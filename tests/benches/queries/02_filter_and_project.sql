-- Human heavy chains that have matured far from their germline, for a closer look.
SELECT sequence_id, v_gene, j_gene, cdr3_aa, v_identity, duplicate_count
FROM chains
WHERE chain = 'heavy' AND species = 'human' AND v_identity < 0.88
