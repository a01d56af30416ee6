-- title: Cells with exactly one heavy and one light chain
-- A naive join of heavy with light chains of a cell counts doublets and aborted rearrangements several times.
-- One row a cell: both counts, of productive chains only.
WITH cells AS (
  SELECT pair_id,
         count(*) FILTER (WHERE chain = 'heavy') AS heavy,
         count(*) FILTER (WHERE chain = 'light') AS light
  FROM chains
  WHERE study_id = 'human_b_cells' AND productive AND pair_id IS NOT NULL
  GROUP BY pair_id
)
SELECT heavy, light, count(*) AS cells
FROM cells
GROUP BY heavy, light
ORDER BY cells DESC, heavy, light
LIMIT 10;
