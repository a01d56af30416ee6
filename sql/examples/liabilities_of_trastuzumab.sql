-- title: What may go wrong with trastuzumab's heavy chain
-- Asp 102 isomerises and Asn 55 deamidates (Kabat: D98, N54; Harris et al. 2001, J Chromatogr B
-- 752:233). The last column is the sequence with the first residue of the motif replaced by alanine.
SELECT l['kind'] AS kind, l['motif'] AS motif, l['position'] AS imgt, l['region'] AS region, l['severity'] AS severity,
       ab_mutate(seq, substr(l['motif'], 1, 1) || l['index'] || 'A')['sequence'] AS without
FROM (SELECT seq, unnest(ab_liabilities(seq)) AS l
      FROM (VALUES ('EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS')) AS t(seq))
WHERE l['severity'] <> 'low'
ORDER BY l['index'];
