-- title: How diverse each study's heavy chains are
-- Reads with one CDR3 count as a clone. Studies of different depth are compared by the number of
-- clones expected among twenty reads; the Hill number of order 1 weighs clones by their size.
SELECT study_id,
       count(*)                        AS clones,
       sum(reads)                      AS reads,
       round(hill(reads, 1), 2)        AS effective_clones,
       round(gini(reads), 3)           AS gini,
       round(rarefaction(reads, 20), 2) AS clones_in_20_reads
FROM (SELECT study_id, cdr3_aa, count(*) AS reads
      FROM chains
      WHERE chain = 'heavy' AND cdr3_aa IS NOT NULL
      GROUP BY study_id, cdr3_aa)
GROUP BY study_id
ORDER BY study_id;
