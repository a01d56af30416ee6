-- title: What was ingested when
-- system.files is the lake's ledger: the same content with the same options is ingested once.
SELECT source_file, format, bytes, records, chains, proteins, rejects, event, ingested_at
FROM system.files
ORDER BY ingested_at, source_file;
