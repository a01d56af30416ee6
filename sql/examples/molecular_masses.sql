-- title: Masses of V domains
-- protein_mass gives the average mass in dalton of the polypeptide, without glycans.
SELECT chain,
       count(*)                                   AS chains,
       round(min(protein_mass(v_domain_aa)), 1)   AS lightest_da,
       round(avg(protein_mass(v_domain_aa)), 1)   AS mean_da,
       round(max(protein_mass(v_domain_aa)), 1)   AS heaviest_da
FROM chains
WHERE v_domain_aa IS NOT NULL
GROUP BY chain
ORDER BY chain;
