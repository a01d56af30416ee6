-- title: Liabilities in the CDRs of therapeutics
-- Motifs that may modify or degrade, in the CDRs of antibodies that were developed all the same: what one has to live with.
WITH motifs AS (
  SELECT c.chain, c.sequence_id, unnest(ab_liabilities(c.v_domain_aa)) AS liability
  FROM chains c
  WHERE c.study_id = 'therapeutics'
)
SELECT liability['kind']                AS kind,
       liability['severity']            AS severity,
       count(*)                         AS motifs,
       count(DISTINCT sequence_id)      AS chains,
       repeat('#', CAST(count(*) AS INT)) AS bar
FROM motifs
WHERE liability['region'] LIKE 'cdr%'
GROUP BY kind, severity
ORDER BY motifs DESC, kind;
