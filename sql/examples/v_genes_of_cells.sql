-- title: V genes of paired chains
-- AIRR and 10x files bring the V calls of their aligner. Productive chains of one cell share a pair_id: a join on it
-- gives the pairings of heavy with light V genes.
SELECT h.v_gene AS heavy_v, l.v_gene AS light_v, count(*) AS cells
FROM chains h
JOIN chains l ON l.pair_id = h.pair_id
WHERE h.chain = 'heavy' AND l.chain = 'light' AND h.productive AND l.productive
GROUP BY h.v_gene, l.v_gene
ORDER BY cells DESC, heavy_v, light_v
LIMIT 10;
