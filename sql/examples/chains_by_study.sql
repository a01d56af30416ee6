-- title: What is in the lake
-- Chains by study, chain and species. `chain` is read from the V domain itself, whatever the file
-- or the column was called; heavy and light chains lie in partitions of their own.
SELECT study_id, chain, species,
       count(*)                      AS chains,
       count(v_domain_aa)            AS with_v_domain,
       count(DISTINCT v_domain_hash) AS distinct_v_domains
FROM chains
GROUP BY study_id, chain, species
ORDER BY study_id, chain, species;
