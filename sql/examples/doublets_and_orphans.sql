-- title: Doublets and orphan chains
-- Cells by how many productive heavy and light chains they have. One of each is a pair; two of a kind a doublet or an
-- allele that was included; none of a kind an orphan.
WITH cells AS (
  SELECT cell_id,
         count(*) FILTER (WHERE chain = 'heavy') AS heavy,
         count(*) FILTER (WHERE chain = 'light') AS light
  FROM chains
  WHERE study_id = 'human_b_cells' AND productive AND is_cell IS NOT FALSE
  GROUP BY cell_id
)
SELECT CASE WHEN heavy = 1 AND light = 1 THEN 'pair'
            WHEN heavy = 0 OR light = 0 THEN 'orphan'
            ELSE 'more than one of a kind' END AS what,
       heavy, light, count(*) AS cells
FROM cells
GROUP BY what, heavy, light
ORDER BY cells DESC, heavy, light;
