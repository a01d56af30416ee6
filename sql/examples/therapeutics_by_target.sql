-- title: Therapeutics of a target and their heavy CDR3s
-- proteins holds the molecule, protein_chains its chains; v_domain_hash leads to the chain record.
SELECT p.target, p.name, p.format, p.stage, p.cross_references['pdb'] AS pdb_id, c.cdr3_aa AS cdrh3
FROM proteins p
JOIN protein_chains m ON m.protein_id = p.protein_id
JOIN chains c ON c.v_domain_hash = m.v_domain_hash AND c.study_id = p.study_id
WHERE p.study_id = 'therapeutics' AND m.role = 'VH'
ORDER BY p.target, p.name
LIMIT 20;
