-- title: The CDR-H3 of trastuzumab, position by position
-- ab_number gives every residue its place, in order. Positions are text, for insertions have letters
-- (111A); IMGT's CDR3 runs from 105 to 117.
WITH numbered AS (
  SELECT unnest(ab_number('EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS', 'imgt')['positions']) AS place
)
SELECT place['position'] AS position, place['residue'] AS residue
FROM numbered
WHERE CAST(regexp_replace(place['position'], '[A-Z]', '') AS INT) BETWEEN 105 AND 117;
