-- title: Clone sizes: rank and abundance
-- A straight line on two logarithmic axes is a power law; a few large clones on top of it are what an immune response
-- looks like.
WITH clones AS (
  SELECT subject_id, clone_id, count(*) AS members, any_value(v_gene) AS v_gene, any_value(cdr3_aa) AS cdr3_aa
  FROM chains
  WHERE study_id = 'simulated_donors'
  GROUP BY subject_id, clone_id
)
SELECT subject_id,
       row_number() OVER (PARTITION BY subject_id ORDER BY members DESC, clone_id) AS clone_rank,
       members, v_gene, cdr3_aa,
       repeat('#', CAST(members AS INT))                                            AS bar
FROM clones
QUALIFY clone_rank <= 10
ORDER BY subject_id, clone_rank;
