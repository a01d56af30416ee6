"""Other readers and Paratope agree: tables that Paratope wrote, and tables that deltalake wrote.

Usage: python check.py PARATOPE-BINARY
"""

import datetime
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

import deltalake
import pyarrow

import vectors
from paratope import Paratope, airr, fasta, repertoires
from rows import READERS, digest, rows

TABLES = ["main.chains", "main.proteins", "main.repertoires", "system.rejects", "system.files", "system.catalog"]
ODD_VALUES = ["plain", "with space", "100%", "%20", "a/b", "a=b", "a+b", "ä ö ü", "日本", "'single'", '"double"', "a:b?#&", "", None]


def assert_equal(actual, expected, what):
    """Equal rows, by hash."""
    actual, expected = rows(actual), rows(expected)
    if digest(actual) != digest(expected):
        lost = [row for row in expected if row not in actual][:2]
        extra = [row for row in actual if row not in expected][:2]
        raise AssertionError(f"{what}: {len(actual)} rows for {len(expected)}\n  lost: {lost}\n  extra: {extra}")


def lake(binary, folder):
    """A lake with chains of three sources, a replaced file, a protein, rejects, and a checkpoint."""
    paratope = Paratope(binary, folder / "lake")
    for number in range(12):
        file = folder / f"set-{number}.fasta"
        file.write_text(fasta(number, f"set{number}", 6))
        species = ["human", "mouse"][number % 2]
        paratope.run("ingest", "--species", species, "--study", f"study {number % 3}", file)
    (folder / "set-0.fasta").write_text(fasta(100, "again", 5))
    paratope.run("ingest", "--species", "human", "--replace", folder / "set-0.fasta")
    (folder / "table.tsv").write_text(airr(7) + "too\tfew\n")
    paratope.run("ingest", folder / "table.tsv", codes=(3,))
    (folder / "protein.fasta").write_text(">p some protein\nMKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVV\n")
    paratope.run("ingest", folder / "protein.fasta")
    (folder / "repertoires.json").write_text(repertoires(3))
    paratope.run("ingest", folder / "repertoires.json")
    assert list((folder / "lake/main/chains/_delta_log").glob("*.checkpoint*")), "no checkpoint to read"
    return paratope


def table_is_read_equally(paratope, table, reader):
    expected = paratope.table(f"SELECT * FROM {table}")
    path = Path(paratope.lake) / table.replace(".", "/")
    assert_equal(READERS[reader](path), expected, f"{table} by {reader}")
    assert expected.num_rows > 0, f"{table} is empty: nothing was compared"
    if table == "main.chains":
        assert expected.num_rows == 11 * 6 + 5 + 7, expected.num_rows


def partitions_are_the_same(paratope, reader):
    def count(table):
        return Counter(zip(table.column("chain").to_pylist(), table.column("species").to_pylist()))

    expected = count(paratope.table("SELECT chain, species FROM chains"))
    assert len(expected) >= 5, expected
    path = Path(paratope.lake) / "main/chains"
    assert count(READERS[reader](path)) == expected
    folders = {(item["chain"], item["species"]) for item in deltalake.DeltaTable(path).partitions()}
    assert folders == set(expected), folders


def columns_added_later_are_null_before(paratope, folder):
    path = folder / "evolved"
    deltalake.write_deltalake(path, pyarrow.table({"id": [1, 2], "a": ["x", None]}))
    wider = pyarrow.table({"id": [3], "a": ["y"], "b": [1.5], "c": pyarrow.array([["p", "q"]])})
    deltalake.write_deltalake(path, wider, mode="append", schema_mode="merge")
    other_order = pyarrow.table({"b": [2.5], "id": [4]})
    deltalake.write_deltalake(path, other_order, mode="append", schema_mode="merge")
    assert_equal(paratope.delta(path), READERS["deltalake"](path), "added columns")
    late = paratope.delta(path, "SELECT id FROM t WHERE b IS NULL ORDER BY id").column("id").to_pylist()
    assert late == [1, 2], late
    assert paratope.delta(path, "SELECT id FROM t WHERE b > 2").column("id").to_pylist() == [4]


def odd_partition_values_are_read_and_pruned(paratope, folder):
    path = folder / "odd partitions"
    table = pyarrow.table({"p": ODD_VALUES, "n": list(range(len(ODD_VALUES)))})
    deltalake.write_deltalake(path, table, partition_by=["p"])
    expected = READERS["deltalake"](path)
    assert_equal(paratope.delta(path), expected, "odd partition values")
    for value, n in zip(expected.column("p").to_pylist(), expected.column("n").to_pylist()):
        quoted = "IS NULL" if value is None else "= '" + value.replace("'", "''") + "'"
        found = paratope.delta(path, f"SELECT n FROM t WHERE p {quoted}").column("n").to_pylist()
        assert n in found and (value is None or found == [n]), (value, found)


def typed_and_null_partitions_are_read(paratope, folder):
    path = folder / "typed"
    day = datetime.date(2024, 2, 29)
    moment = datetime.datetime(2024, 2, 29, 12, 30, 45, 123456, tzinfo=datetime.timezone.utc)
    table = pyarrow.table(
        {
            "i": pyarrow.array([1, None, -3], pyarrow.int32()),
            "d": pyarrow.array([day, None, day], pyarrow.date32()),
            "t": pyarrow.array([moment, moment, None], pyarrow.timestamp("us", "UTC")),
            "b": [True, False, None],
            "x": [1, 2, 3],
        }
    )
    deltalake.write_deltalake(path, table, partition_by=["i", "d", "t", "b"])
    assert_equal(paratope.delta(path), READERS["deltalake"](path), "typed partitions")
    assert paratope.delta(path, "SELECT x FROM t WHERE i IS NULL").column("x").to_pylist() == [2]
    assert paratope.delta(path, "SELECT x FROM t WHERE d = DATE '2024-02-29' AND b").column("x").to_pylist() == [1]


def rewritten_and_checkpointed_tables_are_read(paratope, folder):
    path = folder / "rewritten"
    for part in range(4):
        table = pyarrow.table({"k": [part] * 5, "v": list(range(5))})
        deltalake.write_deltalake(path, table, mode="append", partition_by=["k"])
    delta = deltalake.DeltaTable(path)
    delta.delete("v = 3")
    delta.update(updates={"v": "v + 100"}, predicate="k = 1")
    delta.create_checkpoint()
    deltalake.write_deltalake(path, pyarrow.table({"k": [9], "v": [9]}), mode="append")
    assert_equal(paratope.delta(path), READERS["deltalake"](path), "rewritten table")


def deletion_vectors_are_respected(paratope, folder):
    path = folder / "vectors"
    vectors.write(path, 10, {0, 3, 9})
    ids = paratope.delta(path, "SELECT id FROM t ORDER BY id").column("id").to_pylist()
    assert ids == [1, 2, 4, 5, 6, 7, 8], ids
    count = paratope.delta(path, "SELECT count(*) AS n FROM t").column("n").to_pylist()
    assert count == [7], count
    largest = paratope.delta(path, "SELECT max(id) AS n FROM t").column("n").to_pylist()
    assert largest == [8], largest
    other = sorted(READERS["duckdb"](path).column("id").to_pylist())
    assert ids == other, other


def main():
    failed = passed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paratope = lake(sys.argv[1], folder)
        checks = [(f"{reader} reads {table} equally", table_is_read_equally, (paratope, table, reader)) for reader in READERS for table in TABLES]
        checks += [(f"{reader} sees the same partitions", partitions_are_the_same, (paratope, reader)) for reader in READERS]
        for check in [
            columns_added_later_are_null_before,
            odd_partition_values_are_read_and_pruned,
            typed_and_null_partitions_are_read,
            rewritten_and_checkpointed_tables_are_read,
            deletion_vectors_are_respected,
        ]:
            checks.append((check.__name__.replace("_", " "), check, (paratope, folder)))
        for title, check, arguments in checks:
            try:
                check(*arguments)
                passed += 1
                print(f"ok      {title}")
            except Exception:
                failed += 1
                print(f"FAILED  {title}")
                traceback.print_exc(limit=3, file=sys.stdout)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
