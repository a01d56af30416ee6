-- title: Structures whose CDR-H3 resembles a given one
-- Edit distance finds CDR3s that differ by a few residues, insertions included. The shipped structure is a made one, for the query to
-- find something: ingest entries of the PDB to search real ones.
SELECT s.pdb_id, s.auth_asym_id, s.method, s.resolution,
       ab_cdr3(s.sequence)                              AS cdrh3,
       levenshtein(ab_cdr3(s.sequence), 'SRWGGDGFYAFDY') AS distance
FROM structures s
WHERE s.chain_type = 'heavy' AND levenshtein(ab_cdr3(s.sequence), 'SRWGGDGFYAFDY') <= 4
ORDER BY distance, s.pdb_id, s.auth_asym_id;
