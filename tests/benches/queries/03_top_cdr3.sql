-- The twenty most frequent CDR3s of heavy chains.
SELECT cdr3_aa, count(*) AS chains
FROM chains
WHERE chain = 'heavy' AND cdr3_aa IS NOT NULL
GROUP BY cdr3_aa
ORDER BY chains DESC, cdr3_aa
LIMIT 20
