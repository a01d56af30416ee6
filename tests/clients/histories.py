"""Histories of tables: every kind of statement that changes one, over every kind of column."""

from __future__ import annotations

from dataclasses import dataclass

CHAINS = "SELECT * FROM chains WHERE study_id = 'study 1' OR species = 'mouse'"


@dataclass(frozen=True)
class History:
    """A table `t` from its making on."""

    create: str
    changes: list[str]
    """Rows change."""
    upkeep: list[str]
    """Files change, rows do not."""
    zorder: str
    """The columns it is z-ordered by."""
    version: int
    """One to go back to."""


# A column of each type, and partitions whose values need escapes in paths.
KINDS = History(
    create="""CREATE TABLE t (
        k INT NOT NULL, name TEXT, score DOUBLE, flag BOOLEAN, day DATE, at TIMESTAMP,
        wall TIMESTAMP_NTZ, price DECIMAL(10, 2), raw BINARY, tags ARRAY<STRING>,
        notes MAP(STRING, STRING), place STRUCT<start BIGINT, stop BIGINT>, tiny TINYINT,
        small SMALLINT, ratio FLOAT, part TEXT
    ) PARTITIONED BY (part)""",
    changes=[
        """INSERT INTO t VALUES
        (1, 'a', 0.5, TRUE, '2024-02-29', '2024-05-06T07:08:09.123456Z', '2024-05-06 07:08:09.5',
         12.34, X'00ff', make_array('x', NULL), MAP {'p': 'q', 'r': NULL},
         named_struct('start', 1, 'stop', 2), 1, -2, 0.25, 'plain'),
        (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
        (3, '', -0.0, FALSE, '1969-12-31', '1960-01-01T00:00:00Z', '1960-01-01 00:00:00', -0.01, X'',
         make_array(''), MAP {'': ''}, named_struct('start', NULL, 'stop', 9), -128, 32767, -1.5,
         'x/y ü=%'),
        (4, 'é ''quoted''', 1e300, NULL, '9999-12-31', '2024-05-06T07:08:09+02:00', NULL, 99999999.99,
         X'ff', NULL, NULL, NULL, 127, NULL, NULL, 'plain')""",
        "INSERT INTO t (k, name, part) SELECT k + 10, upper(name), 'plain' FROM t",
        "UPDATE t SET score = k / 2.0, tags = make_array(name), part = NULL WHERE k IN (1, 11)",
        "DELETE FROM t WHERE name IS NULL AND k > 10 OR k = 4",
        """MERGE INTO t USING (VALUES (1, 'one', 7.5), (2, 'two', 8.5), (20, 'new', 9.5)) AS s (k, name, score)
        ON t.k = s.k
        WHEN MATCHED AND s.k = 2 THEN DELETE
        WHEN MATCHED THEN UPDATE SET name = s.name, place = named_struct('start', 5, 'stop', 6)
        WHEN NOT MATCHED THEN INSERT (k, name, score, part) VALUES (s.k, s.name, s.score, 'plain')
        WHEN NOT MATCHED BY SOURCE AND t.k = 3 THEN UPDATE SET notes = MAP {'left': 'alone'}""",
        "INSERT OVERWRITE t PARTITION (part = 'plain') SELECT * EXCEPT (part) FROM t WHERE k > 10",
        "ALTER TABLE t ADD COLUMN later STRING",
        "UPDATE t SET later = 'now' WHERE k = 1",
        "INSERT INTO t (k, part, later) VALUES (30, 'plain', 'l'), (31, 'x/y ü=%', 'm')",
    ],
    upkeep=["OPTIMIZE t WHERE part = 'plain'", "OPTIMIZE t", "OPTIMIZE t ZORDER BY (k, name)"],
    zorder="k,name",
    version=3,
)

# The columns of the lake's own table, filled by a query.
OF_CHAINS = History(
    create=f"CREATE TABLE t PARTITIONED BY (chain, species) AS {CHAINS}",
    changes=[
        "INSERT INTO t SELECT * FROM chains WHERE study_id = 'study 3'",
        "UPDATE t SET v_identity = 0.5, attributes = MAP {'seen': sequence_id}, species = 'engineered'"
        " WHERE cdr3_aa LIKE 'AR%' AND study_id = 'study 3'",
        "DELETE FROM t WHERE sequence_id IN (SELECT sequence_id FROM t WHERE length(cdr3_aa) > 20)",
        "MERGE INTO t USING (SELECT * FROM chains WHERE study_id IN ('study 3', 'study 5')) AS s"
        " ON t.sequence_id = s.sequence_id AND t.study_id = s.study_id"
        " WHEN MATCHED THEN UPDATE SET v_call = s.v_call, duplicate_count = 7"
        " WHEN NOT MATCHED THEN INSERT ROW",
        "INSERT OVERWRITE t PARTITION (chain = 'light', species = 'mouse')"
        " SELECT * EXCEPT (chain, species) FROM chains WHERE species = 'mouse' LIMIT 20",
        "ALTER TABLE t ADD COLUMN note STRING",
        "UPDATE t SET note = study_id WHERE chain = 'heavy' AND cdr3_aa < 'AR'",
        "INSERT INTO t SELECT *, 'late' AS note FROM chains WHERE study_id = 'study 7'",
    ],
    upkeep=[
        "OPTIMIZE t WHERE chain = 'heavy' AND species = 'human'",
        "OPTIMIZE t",
        "OPTIMIZE t ZORDER BY (v_gene, cdr3_aa)",
    ],
    zorder="v_gene,cdr3_aa",
    version=2,
)

# No partitions, and change data.
FED = History(
    create="CREATE TABLE t (k BIGINT, name TEXT, at TIMESTAMP)"
    " TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')",
    changes=[
        "INSERT INTO t SELECT value, 'n' || (value % 7), '2024-01-01T00:00:00Z'"
        " FROM generate_series(1, 300)",
        "INSERT INTO t VALUES (301, NULL, NULL), (NULL, 'n0', NULL)",
        "UPDATE t SET name = NULL, at = '2025-01-01T00:00:00Z' WHERE k % 10 = 0",
        "DELETE FROM t WHERE name = 'n3' OR k IS NULL",
        "MERGE INTO t USING (SELECT value AS k, 'merged' AS name FROM generate_series(250, 350)) AS s"
        " ON t.k = s.k WHEN MATCHED AND t.k % 2 = 0 THEN DELETE"
        " WHEN MATCHED THEN UPDATE SET name = s.name"
        " WHEN NOT MATCHED THEN INSERT (k, name) VALUES (s.k, s.name)"
        " WHEN NOT MATCHED BY SOURCE AND t.k < 5 THEN DELETE",
        "INSERT OVERWRITE t SELECT * FROM t WHERE k > 100",
        "INSERT INTO t VALUES (1000, 'last', NULL)",
    ],
    upkeep=["OPTIMIZE t", "OPTIMIZE t ZORDER BY (name, k)"],
    zorder="name,k",
    version=4,
)

HISTORIES = {"kinds": KINDS, "chains": OF_CHAINS, "fed": FED}
