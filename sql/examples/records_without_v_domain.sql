-- title: Records in which no V domain was found
-- FASTA records without a V domain go to `proteins`; here ab_number says why each has none.
SELECT ab_number(sequence_aa)['error'] AS reason, count(*) AS records, min(protein_id) AS for_example
FROM proteins
GROUP BY ab_number(sequence_aa)['error']
ORDER BY records DESC;
