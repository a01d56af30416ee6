-- title: Where a row comes from
-- Every row names its file and its record there; system.files says by which reader, with which options and when it came in.
SELECT c.sequence_id, c.source_record, f.format, f.options, f.bytes, f.input_id, c.ingested_at, c.source_file
FROM chains c
JOIN system.files f ON f.source_file = c.source_file
WHERE c.study_id = 'therapeutics' AND c.sequence_id ILIKE 'trastuzumab%'
ORDER BY c.sequence_id;
