-- title: Isotype switching within clones
-- Members of one clone with different constant genes: which isotypes occur together, and how often.
SELECT ab_gene(a.c_call)           AS c_gene,
       ab_gene(b.c_call)           AS also,
       count(DISTINCT a.clone_id)  AS clones
FROM chains a
JOIN chains b ON a.clone_id = b.clone_id AND a.subject_id = b.subject_id
WHERE a.study_id = 'simulated_donors' AND b.study_id = 'simulated_donors'
  AND ab_gene(a.c_call) < ab_gene(b.c_call)
GROUP BY c_gene, also
ORDER BY clones DESC, c_gene, also;
