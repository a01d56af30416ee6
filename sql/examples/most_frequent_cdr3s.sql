-- title: The most frequent CDR3s of heavy-chain reads
-- Reads of one clone share their CDR3. Counting distinct V domains beside them tells a clone with
-- somatic mutations from copies of one molecule.
SELECT cdr3_aa,
       count(*)                      AS reads,
       count(DISTINCT v_domain_hash) AS v_domains
FROM chains
WHERE chain = 'heavy' AND cdr3_aa IS NOT NULL
GROUP BY cdr3_aa
ORDER BY reads DESC, cdr3_aa
LIMIT 20;
