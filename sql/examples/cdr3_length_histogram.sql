-- title: Histogram of CDR-H3 lengths of HIV broadly neutralising antibodies
-- One row a length, with a bar to look at.
SELECT character_length(cdr3_aa)        AS cdrh3_length,
       count(*)                         AS chains,
       repeat('#', CAST(count(*) AS INT)) AS bar
FROM chains
WHERE chain = 'heavy' AND study_id = 'hiv_bnabs' AND cdr3_aa IS NOT NULL
GROUP BY character_length(cdr3_aa)
ORDER BY cdrh3_length;
