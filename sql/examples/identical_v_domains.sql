-- title: V domains that occur more than once
-- v_domain_hash is the SHA-256 of the V domain: equal domains are found by equality, whatever
-- leader, constant region or nucleotides came with them.
SELECT v_domain_hash,
       min(chain)                                 AS chain,
       count(*)                                   AS records,
       count(DISTINCT source_file)                AS files,
       array_sort(array_agg(DISTINCT sequence_id)) AS sequence_ids
FROM chains
WHERE v_domain_hash IS NOT NULL
GROUP BY v_domain_hash
HAVING count(*) > 1
ORDER BY records DESC, v_domain_hash
LIMIT 20;
