-- title: V gene usage, by molecules and by clones
-- Molecules (UMIs) tell what is abundant, clones what was selected: a gene that leads by UMIs alone is one expanded
-- clone.
SELECT v_gene,
       count(*)                                                               AS contigs,
       count(DISTINCT clone_id)                                               AS clones,
       sum(umi_count)                                                         AS umis,
       round(100.0 * count(DISTINCT clone_id) / sum(count(DISTINCT clone_id)) OVER (), 1) AS percent_of_clones,
       round(100.0 * sum(umi_count) / sum(sum(umi_count)) OVER (), 1)         AS percent_of_umis,
       repeat('#', CAST(round(200.0 * count(DISTINCT clone_id) / sum(count(DISTINCT clone_id)) OVER ()) AS INT)) AS bar
FROM chains
WHERE study_id = 'human_b_cells' AND chain = 'heavy' AND productive AND v_gene IS NOT NULL
GROUP BY v_gene
ORDER BY clones DESC, v_gene
LIMIT 15;
