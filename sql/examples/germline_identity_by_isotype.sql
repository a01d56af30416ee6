-- title: Identity to the germline, by isotype
-- Switched chains have seen the germinal centre: they are further from their germline than IgM.
SELECT ab_isotype(c_call)                        AS isotype,
       ab_gene(c_call)                           AS c_gene,
       count(*)                                  AS chains,
       round(avg(v_identity), 3)                 AS mean_identity,
       round(approx_percentile_cont(0.05) WITHIN GROUP (ORDER BY v_identity), 3) AS lowest_5_percent
FROM chains
WHERE study_id = 'simulated_donors' AND c_call IS NOT NULL
GROUP BY isotype, c_gene
ORDER BY mean_identity DESC;
