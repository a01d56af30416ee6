-- title: The longest CDR-H3s with their light chains
-- Heavy and light chains of the HIV antibodies come in two files under the same names: a join puts
-- the Fvs together.
SELECT h.sequence_id                 AS antibody,
       character_length(h.cdr3_aa)   AS cdrh3_length,
       h.cdr3_aa                     AS cdrh3,
       l.locus                       AS light_locus,
       l.cdr3_aa                     AS cdrl3
FROM chains h
JOIN chains l ON l.sequence_id = h.sequence_id AND l.study_id = h.study_id
WHERE h.chain = 'heavy' AND l.chain = 'light' AND h.study_id = 'hiv_bnabs'
ORDER BY cdrh3_length DESC, antibody
LIMIT 10;
