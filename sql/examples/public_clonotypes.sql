-- title: CDR3s that several donors share
-- Public clonotypes: the same V gene and CDR3 in more than one donor. The donors are simulated.
SELECT v_gene, cdr3_aa,
       count(DISTINCT subject_id)           AS donors,
       count(*)                             AS chains,
       round(avg(v_identity), 3)            AS mean_v_identity
FROM chains
WHERE study_id = 'simulated_donors' AND chain = 'heavy' AND productive
GROUP BY v_gene, cdr3_aa
HAVING count(DISTINCT subject_id) > 1
ORDER BY chains DESC, cdr3_aa;
