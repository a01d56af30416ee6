"""What COPY writes is read by the tools of the field, and by ingest as what it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import airr
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Paratope
from rows import assert_same_rows

# What depends on the file and the time and not on the record; pairs are compared by themselves.
OF_THE_FILE = ["source_file", "source_record", "ingested_at", "pair_id", "sequence_id"]
AIRR_TOOLS = Path(sys.executable).parent / "airr-tools"


def _copy(paratope: Paratope, query: str, file: Path, options: str = "") -> int:
    return paratope.query(f"COPY ({query}) TO '{file}' {options}")["count"].to_pylist()[0]


def _ingested(paratope: Paratope, file: Path, folder: Path) -> Paratope:
    """A lake that holds nothing but one file."""
    other = Paratope(paratope.binary, folder / "other")
    other.run("ingest", str(file))
    return other


def _chains(paratope: Paratope, where: str = "true") -> pa.Table:
    kept = f"* EXCEPT ({', '.join(OF_THE_FILE)})"
    return paratope.query(f"SELECT sequence_id, {kept} FROM chains WHERE {where}")


def _pairs(paratope: Paratope, where: str = "true") -> list[str]:
    sql = f"""SELECT array_to_string(array_sort(array_agg(sequence_id)), ' ') AS ids FROM chains
              WHERE pair_id IS NOT NULL AND {where} GROUP BY pair_id"""
    return sorted(paratope.query(sql)["ids"].to_pylist())


@pytest.mark.parametrize("where", ["study_id = 'cells'", "species = 'mouse'", "true"])
def test_airr_tables_pass_the_validator(paratope: Paratope, tmp_path: Path, where: str) -> None:
    file = tmp_path / "chains.tsv"
    rows = _copy(paratope, f"SELECT * FROM chains WHERE {where}", file)
    assert rows == paratope.query(f"SELECT * FROM chains WHERE {where}").num_rows > 0
    assert airr.validate_rearrangement(str(file), debug=True)
    command = [AIRR_TOOLS, "validate", "rearrangement", "-a", file]
    subprocess.run(command, check=True, timeout=300)
    # Record by record: the loader into pandas takes a flag that is not known for a mistake, which AIRR allows.
    assert sum(1 for _ in airr.read_rearrangement(str(file))) == rows


def test_an_airr_table_with_few_columns_passes_too(paratope: Paratope, tmp_path: Path) -> None:
    file = tmp_path / "few.tsv.gz"
    _copy(paratope, "SELECT sequence_id, sequence_aa, productive FROM chains", file)
    plain = tmp_path / "few.tsv"
    plain.write_bytes(subprocess.run(["gzip", "-dc", file], check=True, capture_output=True).stdout)
    assert airr.validate_rearrangement(str(plain), debug=True)


def test_a_validator_that_passes_everything_would_prove_nothing(tmp_path: Path) -> None:
    file = tmp_path / "broken.tsv"
    file.write_text("sequence_id\tproductive\nr1\tperhaps\n")
    assert not airr.validate_rearrangement(str(file))


def test_airr_tables_are_ingested_as_what_they_were(paratope: Paratope, tmp_path: Path) -> None:
    where = "study_id = 'cells'"
    file = tmp_path / "cells.tsv"
    rows = _copy(paratope, f"SELECT * FROM chains WHERE {where}", file)
    again = _ingested(paratope, file, tmp_path)
    assert_same_rows(_chains(again), _chains(paratope, where))
    assert _pairs(again) == _pairs(paratope, where) != []
    assert again.query("SELECT * FROM chains").num_rows == rows


def test_fasta_is_ingested_as_what_it_was(paratope: Paratope, tmp_path: Path) -> None:
    query = "SELECT DISTINCT sequence_id, sequence_aa, v_call FROM chains WHERE sequence_aa IS NOT NULL"
    file = tmp_path / "chains.fasta"
    rows = _copy(paratope, query, file, "OPTIONS (description 'v_call', line_width '60')")
    text = file.read_text()
    assert text.count(">") == rows > 0
    assert max(len(line) for line in text.splitlines() if not line.startswith(">")) <= 60
    again = _ingested(paratope, file, tmp_path)
    assert_same_rows(again.query(query), paratope.query(query))


def test_csv_json_and_parquet_are_read_by_others(paratope: Paratope, tmp_path: Path) -> None:
    query = "SELECT sequence_id, domain_index, productive, v_identity, cdr3_aa FROM chains"
    ours = paratope.query(query)
    for name in ["x.parquet", "x.csv", "x.json"]:
        assert _copy(paratope, query, tmp_path / name) == ours.num_rows
    theirs = pq.read_table(tmp_path / "x.parquet")
    assert_same_rows(ours, theirs)
    assert pq.ParquetFile(tmp_path / "x.parquet").metadata.row_group(0).column(0).compression == "ZSTD"
    kinds = {"domain_index": pl.Int32, "productive": pl.Boolean, "v_identity": pl.Float64}
    csv = pl.read_csv(tmp_path / "x.csv", schema_overrides=kinds, infer_schema=False)
    json = pl.read_ndjson(tmp_path / "x.json", schema_overrides=kinds)
    for frame in [csv, json]:
        assert_same_rows(ours, frame.select(ours.column_names).to_arrow())


def test_a_copy_that_fails_leaves_the_old_file(paratope: Paratope, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("old")
    broken = "SELECT 1 / (domain_index - domain_index) FROM chains"
    paratope.run("query", "-c", f"COPY ({broken}) TO '{file}'", status=1)
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]
