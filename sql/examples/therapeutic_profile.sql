-- title: HIV antibodies outside what therapeutics look like
-- Flags against the range of the shipped therapeutics: CDR-H3 length, charge at pH 7.4, isoelectric point and hydropathy of the VH.
-- The idea is that of the Therapeutic Antibody Profiler (Raybould et al. 2019, PNAS 116:4025), whose other properties need a structure.
WITH properties AS (
  SELECT study_id, sequence_id,
         character_length(cdr3_aa)                 AS cdrh3_length,
         protein_charge(v_domain_aa, 7.4)          AS charge,
         protein_isoelectric_point(v_domain_aa)    AS pi,
         protein_gravy(v_domain_aa)                AS gravy
  FROM chains
  WHERE chain = 'heavy' AND study_id IN ('therapeutics', 'hiv_bnabs') AND v_domain_aa IS NOT NULL
), reach AS (
  SELECT min(cdrh3_length) AS least_length, max(cdrh3_length) AS most_length,
         min(charge) AS least_charge, max(charge) AS most_charge, min(pi) AS least_pi, max(pi) AS most_pi, max(gravy) AS most_gravy
  FROM properties
  WHERE study_id = 'therapeutics'
)
SELECT sequence_id, cdrh3_length,
       round(charge, 1) AS charge, round(pi, 1) AS pi, round(gravy, 2) AS gravy,
       concat_ws(', ',
         CASE WHEN cdrh3_length > most_length THEN 'long CDR-H3' WHEN cdrh3_length < least_length THEN 'short CDR-H3' END,
         CASE WHEN charge NOT BETWEEN least_charge AND most_charge THEN 'charge' END,
         CASE WHEN pi NOT BETWEEN least_pi AND most_pi THEN 'isoelectric point' END,
         CASE WHEN gravy > most_gravy THEN 'hydrophobic' END) AS flags
FROM properties
CROSS JOIN reach
WHERE study_id = 'hiv_bnabs'
  AND (cdrh3_length NOT BETWEEN least_length AND most_length OR charge NOT BETWEEN least_charge AND most_charge
       OR pi NOT BETWEEN least_pi AND most_pi OR gravy > most_gravy)
ORDER BY cdrh3_length DESC, sequence_id
LIMIT 15;
