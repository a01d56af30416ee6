-- Which V genes pair: the heavy and light chains of cells.
SELECT h.v_gene AS heavy_v_gene, l.v_gene AS light_v_gene, count(*) AS pairs
FROM chains h
JOIN chains l ON h.pair_id = l.pair_id
WHERE h.chain = 'heavy' AND l.chain = 'light'
GROUP BY h.v_gene, l.v_gene
