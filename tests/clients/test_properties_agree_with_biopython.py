"""Properties of proteins are those of Biopython's ProtParam, identities those of its aligner."""

import pyarrow
import pyarrow.parquet
import pytest

import properties

PROTEINS = 400
PAIRS = 300
# Best alignments of one pair that are looked at; pairs with more are left out, and must be few.
ALIGNMENTS = 2000
RELATIVE = {"mass", "gravy", "aromaticity", "instability", "reduced", "cystines"}
COLUMNS = """
  protein_mass(seq) AS mass, protein_gravy(seq) AS gravy, protein_aromaticity(seq) AS aromaticity,
  protein_instability_index(seq) AS instability,
  protein_extinction_coefficient(seq, 'reduced') AS reduced,
  protein_extinction_coefficient(seq) AS cystines,
  protein_isoelectric_point(seq) AS point, protein_charge(seq, ph) AS charge
"""


def ask(paratope, folder, rows, columns):
    """The columns for each row, in order."""
    path = folder / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return paratope.query(f"SELECT {columns} FROM '{path}' ORDER BY i").to_pylist()


def test_protparam_says_the_same(paratope, tmp_path):
    rows = [
        {"i": i, "seq": seq, "ph": i % 15 - 0.25}
        for i, seq in enumerate(properties.proteins(PROTEINS))
    ]
    for row, ours in zip(rows, ask(paratope, tmp_path, rows, COLUMNS), strict=True):
        theirs = properties.properties(row["seq"], row["ph"])
        for name, value in theirs.items():
            close = {"rel": 1e-6, "abs": 1e-12} if name in RELATIVE else {"abs": 1e-6}
            if name == "point":
                close = {"abs": 1e-4}
            assert ours[name] == pytest.approx(value, **close), (name, row)


def test_unknown_residues_leave_properties_unknown(paratope, tmp_path):
    rows = [
        {"i": i, "seq": f"AC{letter}DE", "ph": 7.0} for i, letter in enumerate(properties.UNKNOWN)
    ]
    for row, ours in zip(rows, ask(paratope, tmp_path, rows, COLUMNS), strict=True):
        known = {name for name, value in ours.items() if value is not None}
        # The masses of selenocysteine and pyrrolysine are known.
        assert known == ({"mass"} if row["seq"][2] in "UO" else set()), row


def test_identity_is_that_of_the_best_alignment(paratope, tmp_path):
    rows = [{"i": i, "a": a, "b": b} for i, (a, b) in enumerate(properties.pairs(PAIRS))]
    answers = ask(paratope, tmp_path, rows, "protein_identity(a, b) AS d, protein_identity(b, a) AS e")
    aligner = properties.needle()
    compared = 0
    for row, ours in zip(rows, answers, strict=True):
        assert ours["d"] == ours["e"], row
        found = properties.identities(aligner, row["a"], row["b"], ALIGNMENTS)
        if found is not None:
            equal, columns = max(found)
            assert ours["d"] == pytest.approx(equal / -columns), row
            compared += 1
    assert compared > PAIRS * 0.9
