-- title: N-glycosylation motifs in CDR3s
-- Asparagine, anything but proline, serine or threonine: a sequon in a CDR can carry a glycan that
-- blocks binding or makes a product heterogeneous.
SELECT sequence_id, chain, cdr3_aa,
       regexp_match(cdr3_aa, 'N[^P][ST]')[1] AS motif
FROM chains
WHERE regexp_like(cdr3_aa, 'N[^P][ST]')
ORDER BY chain, sequence_id
LIMIT 10;
