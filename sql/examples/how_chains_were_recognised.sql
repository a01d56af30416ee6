-- title: How the chain of each record was recognised
-- chain_source says whether the chain was read from the V domain or, where none can be read, from a
-- locus or from a V or C call.
SELECT study_id, chain_source, chain,
       count(*)                                     AS records,
       count(*) FILTER (WHERE v_domain_aa IS NULL)  AS without_v_domain,
       count(*) FILTER (WHERE productive IS FALSE)  AS not_productive
FROM chains
GROUP BY study_id, chain_source, chain
ORDER BY study_id, chain_source, chain;
