-- title: CDR3 lengths, heavy against light
-- Heavy chains have longer and more varied CDR3s; those of HIV broadly neutralising antibodies
-- are longer still, which lets them reach through the glycan shield.
SELECT study_id, chain,
       count(*)                                             AS chains,
       min(character_length(cdr3_aa))                       AS shortest,
       median(character_length(cdr3_aa))                    AS median,
       max(character_length(cdr3_aa))                       AS longest,
       round(avg(character_length(cdr3_aa)), 1)             AS mean,
       count(*) FILTER (WHERE character_length(cdr3_aa) >= 24) AS of_24_or_more
FROM chains
WHERE cdr3_aa IS NOT NULL
GROUP BY study_id, chain
ORDER BY study_id, chain;
