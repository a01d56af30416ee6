-- title: N-glycosylation motifs in CDR3s
-- Asparagine, anything but proline, serine or threonine: a sequon in a CDR can carry a glycan that
-- blocks binding or makes a product heterogeneous.
SELECT study_id, chain,
       count(*)                                                       AS chains,
       count(*) FILTER (WHERE regexp_like(cdr3_aa, 'N[^P][ST]'))      AS with_motif,
       min(cdr3_aa) FILTER (WHERE regexp_like(cdr3_aa, 'N[^P][ST]'))  AS for_example
FROM chains
WHERE cdr3_aa IS NOT NULL
GROUP BY study_id, chain
ORDER BY study_id, chain;
