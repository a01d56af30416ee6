-- title: How the chain of each record was recognised
-- Records without a readable V domain are kept, not thrown away: chain_source says whether the
-- chain was read from the V domain, from a locus or from a V or C call.
SELECT source_file, chain_source, chain,
       count(*)                                        AS records,
       count(*) FILTER (WHERE v_domain_aa IS NULL)     AS without_v_domain,
       count(*) FILTER (WHERE productive IS false)     AS not_productive
FROM chains
GROUP BY source_file, chain_source, chain
ORDER BY source_file, chain_source, chain;
