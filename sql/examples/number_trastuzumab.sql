-- title: The CDRs of trastuzumab's VH by four definitions
-- ab_regions cuts a V domain. Definitions differ in where a CDR begins and ends: say which one you
-- mean. The same function works on a column of millions of chains.
SELECT d.definition,
       ab_regions(v.sequence, d.definition)['cdr1_aa'] AS cdr1,
       ab_regions(v.sequence, d.definition)['cdr2_aa'] AS cdr2,
       ab_regions(v.sequence, d.definition)['cdr3_aa'] AS cdr3
FROM (VALUES ('EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS')) AS v (sequence)
CROSS JOIN (VALUES ('imgt'), ('kabat'), ('chothia'), ('abm')) AS d (definition)
ORDER BY d.definition;
