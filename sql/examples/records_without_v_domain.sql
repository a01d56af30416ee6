-- title: Why reads have no V domain
-- Records without a readable V domain are kept. Read in each of three frames, most of them run into
-- stop codons or lose the domain halfway: insertions and deletions of the sequencer broke the frame.
SELECT frames.frame,
       ab_number(dna_translate(chains.sequence, frames.frame))['error'] AS reason,
       count(*) AS reads
FROM chains
CROSS JOIN (VALUES (1), (2), (3)) AS frames (frame)
WHERE chains.v_domain_aa IS NULL AND chains.sequence IS NOT NULL
GROUP BY frames.frame, ab_number(dna_translate(chains.sequence, frames.frame))['error']
ORDER BY frames.frame, reads DESC;
