"""Files of simulated records: FASTA (amino acids, nucleotides), AIRR Rearrangement TSV and OAS data units.

A column of text is a matrix of bytes with zeros where a row is shorter. The columns of a chunk, side by side with tabs
and line ends between them, are the file once the zeros are taken out; no row is touched by Python.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import threading
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from generator import ALL_SUBJECTS, CDR3_CODONS, DONORS, ISOTYPES, LOCI, STUDY, Flags, Generator, Ints, Records, Subject
from germlines import AMINO_ACIDS, GAP, J_CODONS, LETTERS, Codes, codon_numbers

_LEADERS = (
    b"ATGGAGTTTGGGCTGAGCTGGCTTTTTCTTGTGGCTATTTTAAAAGGTGTCCAGTGT",
    b"ATGGACATGAGGGTCCCCGCTCAGCTCCTGGGGCTCCTGCTGCTCTGGCTCCGAGGTGCCAGATGT",
    b"ATGGCCTGGACCGTTCTCCTCCTCGGCCTCCTCTCTCACTGCACAGTCTCTGTGACCTCC",
)
"""Signal peptides, by locus."""
_CONSTANT = (
    b"GGAGTGCATCCGCCCCAACCCTTTTCCCCCTCGTCTCC",
    b"CCTCCACCAAGGGCCCATCGGTCTTCCCCCTGGCACCC",
    b"CATCCCCGACCAGCCCCAAGGTCTTCCCGCTGAGCCTC",
    b"GAACTGTGGCTGCACCATCTGTCTTCATCTTCCCGCCA",
    b"GTCAGCCCAAGGCTGCCCCCTCGGTCACTCTGTTCCCG",
)
"""Starts of the constant regions, by isotype, behind the base that the J gene ends with."""


def _table(texts: Sequence[bytes]) -> Codes:
    """Texts as rows of a matrix."""
    width = max(map(len, texts))
    return np.frombuffer(b"".join(text.ljust(width, b"\0") for text in texts), dtype=np.uint8).reshape(-1, width)


def _names(names: Iterable[str]) -> Codes:
    return _table([name.encode() for name in names])


def _digits(values: Ints, width: int, keep: int = 1) -> Codes:
    """Whole numbers; leading zeros are left out, but for the last `keep` digits."""
    powers = 10 ** np.arange(width - 1, -1, -1)
    digits = (values[:, None] // powers) % 10
    shown = values[:, None] >= powers
    shown[:, width - keep :] = True
    return np.where(shown, digits + ord("0"), 0).astype(np.uint8)


def _flags(flags: Flags) -> Codes:
    return np.where(flags, ord("T"), ord("F")).astype(np.uint8)[:, None]


def _only(column: Codes, keep: Flags) -> Codes:
    """A column that is empty where a flag is not set."""
    return column * keep[:, None]


def _bases(codes: Codes) -> Codes:
    return LETTERS[codes.reshape(len(codes), -1)]


def _residues(codes: Codes) -> Codes:
    return AMINO_ACIDS[codon_numbers(codes)]


def lines(columns: Sequence[Codes | bytes], rows: int) -> bytes:
    """The rows of columns side by side; bytes stand in every row."""
    parts = [
        np.broadcast_to(np.frombuffer(column, dtype=np.uint8), (rows, len(column))) if isinstance(column, bytes) else column
        for column in columns
    ]
    return np.concatenate(parts, axis=1).tobytes().translate(None, b"\0")


def _between(separator: bytes, columns: Sequence[Codes | bytes]) -> list[Codes | bytes]:
    parts: list[Codes | bytes] = []
    for column in columns:
        parts += [column, separator]
    parts[-1] = b"\n"
    return parts


class Texts:
    """The columns of a chunk as text."""

    def __init__(self, records: Records, generator: Generator) -> None:
        self.records = records
        genes = generator.germlines
        self._v, self._d, self._j = (_names(kind.names) for kind in (genes.v, genes.d, genes.j))
        self._subjects = generator.subjects

    def id(self) -> Codes:
        names = _names(f"{subject.name}_" for subject in self._subjects)
        return np.concatenate([names[self.records.subject], _digits(self.records.number, 9, 9)], axis=1)

    def subject(self) -> Codes:
        return _names(subject.name for subject in self._subjects)[self.records.subject]

    def species(self) -> Codes:
        return _names(subject.species for subject in self._subjects)[self.records.subject]

    def locus(self) -> Codes:
        return _names(LOCI)[self.records.chain]

    def v_call(self) -> Codes:
        return self._v[self.records.v]

    def d_call(self) -> Codes:
        return _only(self._d[self.records.d], self.records.d >= 0)

    def j_call(self) -> Codes:
        return self._j[self.records.j]

    def c_call(self) -> Codes:
        return _names(ISOTYPES)[self.records.isotype]

    def domain_codes(self) -> Codes:
        """Bases of the V domain, from V to the last base of J."""
        records, count = self.records, len(self.records)
        parts = (records.v_codes, records.cdr3_codes, records.j_codes, records.j_rest)
        return np.concatenate([part.reshape(count, -1) for part in parts], axis=1)

    def germline(self) -> Codes:
        """The germline of the V domain, N where the CDR3 has N regions."""
        records, count = self.records, len(self.records)
        cdr3 = _bases(records.cdr3_codes).reshape(count, CDR3_CODONS, 3)
        cdr3 = np.where(records.cdr3_n[:, :, None] & (cdr3 != 0), ord("N"), cdr3).astype(np.uint8)
        parts = (_bases(records.v_germline), cdr3.reshape(count, -1), _bases(records.j_codes), LETTERS[records.j_rest])
        return np.concatenate(parts, axis=1)

    def domain_aa(self) -> Codes:
        """Residues of the V domain; out of frame it has none."""
        records = self.records
        parts = [_residues(part) for part in (records.v_codes, records.cdr3_codes, records.j_codes)]
        return _only(np.concatenate(parts, axis=1), ~records.shifted)

    def junction(self) -> Codes:
        records = self.records
        parts = (records.v_codes[:, 103:], records.cdr3_codes, records.j_codes[:, :1])
        return np.concatenate([_bases(part) for part in parts], axis=1)

    def junction_aa(self) -> Codes:
        records = self.records
        parts = (records.v_codes[:, 103:], records.cdr3_codes, records.j_codes[:, :1])
        return _only(np.concatenate([_residues(part) for part in parts], axis=1), ~records.shifted)

    def np1(self) -> Codes:
        return self._n(np.cumsum(self.records.cdr3_d, axis=1) == 0)

    def np2(self) -> Codes:
        return self._n(np.cumsum(self.records.cdr3_d, axis=1) > 0)

    def _n(self, where: Flags) -> Codes:
        keep = np.repeat(where & self.records.cdr3_n, 3, axis=1)
        return _bases(self.records.cdr3_codes) * keep

    def v_identity(self) -> Codes:
        value = np.round(self.records.v_identity * 10_000).astype(np.int64)
        dot = np.full((len(value), 1), ord("."), dtype=np.uint8)
        return np.concatenate([_digits(value // 10_000, 1), dot, _digits(value % 10_000, 4, 4)], axis=1)

    def barcode(self) -> Codes:
        """A cell's barcode in the style of 10x: 16 bases, another for each cell."""
        scrambled = (self.records.cell.astype(np.uint64) * np.uint64(2_654_435_761)) & np.uint64(0xFFFFFFFF)
        shifts = np.arange(30, -1, -2, dtype=np.uint64)
        bases = LETTERS[(scrambled[:, None] >> shifts[None, :]) & np.uint64(3)]
        return _only(np.concatenate([bases, np.broadcast_to(_table([b"-1"]), (len(bases), 2))], axis=1), self.in_cell)

    @property
    def in_cell(self) -> Flags:
        return self.records.cell > 0

    def matches(self, codes: Codes) -> Codes:
        """A CIGAR string of matches only, as long as the codes."""
        length = (codes.reshape(len(codes), -1) != GAP).sum(axis=1)
        return np.concatenate([_digits(length, 3), np.full((len(codes), 1), ord("M"), dtype=np.uint8)], axis=1)


def fasta_aa(texts: Texts) -> bytes:
    """V domains of productive records."""
    texts.records = texts.records.where(texts.records.productive)
    header = _between(b"|", [texts.id(), texts.v_call(), texts.j_call(), texts.locus()])
    return lines([b">", *header, texts.domain_aa(), b"\n"], len(texts.records))


def fasta_nt(texts: Texts) -> bytes:
    """V domains with the start of the constant region, one in ten from the other strand."""
    records = texts.records
    codes = np.concatenate([texts.domain_codes(), _codes(_CONSTANT)[records.isotype]], axis=1)
    reverse = records.number % 10 == 0
    flipped = codes[reverse, ::-1]
    codes[reverse] = np.where(flipped == GAP, GAP, 3 - flipped)
    header = _between(b"|", [texts.id(), texts.v_call(), texts.j_call(), texts.locus()])
    return lines([b">", *header, LETTERS[codes], b"\n"], len(records))


def _codes(texts: Sequence[bytes]) -> Codes:
    table = _table(texts)
    codes = np.full(table.shape, GAP, dtype=np.uint8)
    for code, letter in enumerate(b"ACGT"):
        codes[table == letter] = code
    return codes


_AIRR: dict[str, Callable[[Texts], Codes | bytes]] = {
    "sequence_id": Texts.id,
    "sequence": lambda t: np.concatenate(
        [_table(_LEADERS)[t.records.chain], LETTERS[t.domain_codes()], _table(_CONSTANT)[t.records.isotype]], axis=1),
    "rev_comp": lambda _: b"F",
    "productive": lambda t: _flags(t.records.productive),
    "v_call": Texts.v_call,
    "d_call": Texts.d_call,
    "j_call": Texts.j_call,
    "c_call": Texts.c_call,
    "sequence_alignment": lambda t: LETTERS[t.domain_codes()],
    "germline_alignment": Texts.germline,
    "junction": Texts.junction,
    "junction_aa": Texts.junction_aa,
    "np1": Texts.np1,
    "np2": Texts.np2,
    "v_cigar": lambda t: t.matches(t.records.v_codes),
    "d_cigar": lambda _: b"",
    "j_cigar": lambda t: t.matches(t.records.j_codes),
    "stop_codon": lambda t: _flags(t.records.stop),
    "vj_in_frame": lambda t: _flags(~t.records.shifted),
    "v_frameshift": lambda _: b"F",
    "complete_vdj": lambda _: b"T",
    "locus": Texts.locus,
    "v_identity": Texts.v_identity,
    "duplicate_count": lambda t: _digits(t.records.copies, 5),
    "consensus_count": lambda t: _only(_digits(t.records.reads, 6), t.in_cell),
    "umi_count": lambda t: _only(_digits(t.records.umis, 4), t.in_cell),
    "cell_id": Texts.barcode,
    "clone_id": lambda t: np.concatenate(
        [np.broadcast_to(_table([b"clone_"]), (len(t.records), 6)), _digits((t.records.clone % 10**15).astype(np.int64), 15)], axis=1),
    "species": Texts.species,
    "study_id": lambda _: STUDY.encode(),
    "subject_id": Texts.subject,
}


def airr(texts: Texts) -> bytes:
    """Rows of an AIRR Rearrangement table."""
    return lines(_between(b"\t", [column(texts) for column in _AIRR.values()]), len(texts.records))


_REGIONS = (("fwh1", 0, 26), ("cdrh1", 26, 38), ("fwh2", 38, 55), ("cdrh2", 55, 65), ("fwh3", 65, 104),
            ("cdrh3", 104, 104 + CDR3_CODONS), ("fwh4", 104 + CDR3_CODONS, 104 + CDR3_CODONS + J_CODONS))


def _numbering(texts: Texts) -> list[Codes | bytes]:
    """The column ANARCI_numbering: a Python dictionary of residues by IMGT position."""
    records = texts.records
    residues = np.concatenate([_residues(part) for part in (records.v_codes, records.cdr3_codes, records.j_codes)], axis=1)
    entries = _ENTRIES[_LABELS[records.cdr3_length].astype(np.int64) * 128 + residues]
    parts: list[Codes | bytes] = [b'"{']
    for number, (name, start, end) in enumerate(_REGIONS):
        parts.append((", " if number else "").encode() + f"'{name}': {{".encode())
        parts.append(entries[:, start:end].reshape(len(records), -1))
        parts.append(b"}")
    return [*parts, b'}"']


def _numbering_tables() -> tuple[Ints, Codes]:
    """The number of the IMGT position of each column by the length of the CDR3, and the text of each position and residue."""
    firsts = {start for _, start, _ in _REGIONS}
    known: dict[str, int] = {}
    labels = np.zeros((CDR3_CODONS + 1, _REGIONS[-1][2]), dtype=np.int64)
    for length in range(CDR3_CODONS + 1):
        cdr3 = _cdr3_positions(length)
        behind = [f"{118 + at} " for at in range(J_CODONS)]
        names = [f"{at + 1} " for at in range(104)] + cdr3 + [""] * (CDR3_CODONS - length) + behind
        for column, name in enumerate(names):
            comma = "" if column in firsts else ", "
            labels[length, column] = known.setdefault(f"{comma}'{name}': '", len(known))
    letters = [chr(letter) if chr(letter).isalpha() or chr(letter) == "*" else "" for letter in range(128)]
    return labels, _table([f"{label}{letter}'".encode() if letter else b"" for label in known for letter in letters])


def _cdr3_positions(length: int) -> list[str]:
    """IMGT positions of the residues of a CDR3: gaps and insertions are in the middle."""
    inserted = max(length - 13, 0)
    left, right = min((length + 1) // 2, 7), min(length // 2, 6)
    names = [f"{105 + at} " for at in range(left)]
    names += [f"111{chr(65 + at)}" for at in range(inserted // 2)]
    names += [f"112{chr(65 + at)}" for at in reversed(range(inserted - inserted // 2))]
    return names + [f"{118 - right + at} " for at in range(right)]


_LABELS, _ENTRIES = _numbering_tables()


def _v_region(texts: Texts, to_text: Callable[[Codes], Codes], start: int, end: int) -> Codes:
    return to_text(texts.records.v_codes[:, start:end])


def _oas_columns() -> dict[str, Callable[[Texts], Codes | bytes | list[Codes | bytes]]]:
    """The columns of an unpaired heavy data unit."""
    columns: dict[str, Callable[[Texts], Codes | bytes | list[Codes | bytes]]] = {
        "sequence": _AIRR["sequence"],
        "locus": lambda _: b"H",
        "stop_codon": lambda _: b"F",
        "vj_in_frame": lambda _: b"T",
        "v_frameshift": lambda _: b"F",
        "productive": lambda _: b"T",
        "rev_comp": lambda _: b"F",
        "complete_vdj": lambda _: b"T",
        "v_call": Texts.v_call,
        "d_call": Texts.d_call,
        "j_call": Texts.j_call,
        "sequence_alignment": _AIRR["sequence_alignment"],
        "germline_alignment": Texts.germline,
        "sequence_alignment_aa": Texts.domain_aa,
    }
    regions = {"fwr1": (0, 26), "cdr1": (26, 38), "fwr2": (38, 55), "cdr2": (55, 65), "fwr3": (65, 104)}
    for name, (start, end) in regions.items():
        columns[name] = partial(_v_region, to_text=_bases, start=start, end=end)
        columns[f"{name}_aa"] = partial(_v_region, to_text=_residues, start=start, end=end)
    columns |= {
        "cdr3": lambda t: _bases(t.records.cdr3_codes),
        "cdr3_aa": lambda t: _residues(t.records.cdr3_codes),
        "fwr4": lambda t: _bases(t.records.j_codes),
        "fwr4_aa": lambda t: _residues(t.records.j_codes),
        "junction": Texts.junction,
        "junction_length": lambda t: _digits(t.records.cdr3_length * 3 + 6, 3),
        "junction_aa": Texts.junction_aa,
        "junction_aa_length": lambda t: _digits(t.records.cdr3_length + 2, 2),
        "v_cigar": _AIRR["v_cigar"],
        "j_cigar": _AIRR["j_cigar"],
        "v_identity": Texts.v_identity,
        "np1": Texts.np1,
        "np2": Texts.np2,
        "Redundancy": lambda t: _digits(t.records.copies, 5),
        "ANARCI_numbering": _numbering,
        "ANARCI_status": lambda _: b"|||||",
    }
    return columns


_OAS = _oas_columns()


def oas(texts: Texts) -> bytes:
    """Rows of an unpaired OAS data unit: productive heavy chains."""
    texts.records = texts.records.where(texts.records.productive)
    parts: list[Codes | bytes] = []
    for column in _OAS.values():
        value = column(texts)
        parts += [*(value if isinstance(value, list) else [value]), b","]
    parts[-1] = b"\n"
    return lines(parts, len(texts.records))


def _oas_head(records: int) -> bytes:
    metadata = {
        "Run": STUDY, "Link": "", "Author": STUDY, "Species": "human", "Age": "no", "BSource": "PBMC",
        "BType": "Unsorted-B-Cells", "Vaccine": "None", "Disease": "None", "Subject": DONORS[1].name,
        "Longitudinal": "no", "Unique sequences": records, "Isotype": "All", "Chain": "Heavy",
    }
    quoted = json.dumps(metadata).replace('"', '""')
    return f'"{quoted}"\n{",".join(_OAS)}\n'.encode()


@dataclass(frozen=True)
class Format:
    """A kind of file."""

    name: str
    extension: str
    subjects: tuple[Subject, ...]
    rows: Callable[[Texts], bytes]
    """The rows of a chunk. May leave out records that such a file does not have."""
    head: Callable[[int], bytes]
    kept: float
    """Least share of the generated records that `rows` keeps."""
    heavy_only: bool
    options: tuple[str, ...]
    """Flags of `paratope ingest`: what the file does not say itself."""

    def path(self, folder: Path, records: int, seed: int, file: int = 0) -> Path:
        """Where the file is kept."""
        return folder / f"{self.name}-{records}-seed{seed}-{file}{self.extension}"


FORMATS = (
    Format("fasta-aa", ".fasta", DONORS, fasta_aa, lambda _: b"", 0.9, False, ("--study", STUDY, "--species", "human")),
    Format("fasta-nt", ".fasta", DONORS, fasta_nt, lambda _: b"", 1.0, False, ("--study", STUDY, "--species", "human")),
    Format("airr", ".tsv.gz", ALL_SUBJECTS, airr, lambda _: "\t".join(_AIRR).encode() + b"\n", 1.0, False, ()),
    Format("oas", ".csv.gz", (DONORS[1],), oas, _oas_head, 0.9, True, ("--study", STUDY, "--subject", DONORS[1].name)),
)


def write(form: Format, folder: Path, records: int, seed: int, file: int = 0) -> Path:
    """Writes a file of exactly `records` records, unless it is there."""
    path = form.path(folder, records, seed, file)
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + f".{os.getpid()}")
    generator = Generator(seed, file, form.subjects, form.heavy_only)
    written = 0
    with _Sink(unfinished, compress=path.suffix == ".gz") as sink:
        sink.write(form.head(records))
        for chunk in generator.chunks(int(records / form.kept) + 100_000):
            texts = Texts(chunk, generator)
            rows = form.rows(texts)
            count = len(texts.records)
            if written + count > records:
                count = records - written
                rows = _first(rows, count * (2 if rows.startswith(b">") else 1))
            sink.write(rows)
            written += count
            if written == records:
                break
    if written < records:
        raise RuntimeError(f"{path}: {written} records of {records}")
    unfinished.replace(path)
    return path


def _first(rows: bytes, count: int) -> bytes:
    """The first lines."""
    return b"".join(line + b"\n" for line in rows.split(b"\n")[:count])


class _Sink:
    """A file that is written, and where need be compressed, behind the generator's back."""

    def __init__(self, path: Path, compress: bool) -> None:
        self._file = path.open("wb")
        self._zip = zlib.compressobj(level=1, wbits=31) if compress else None
        self._queue: queue.Queue[bytes | None] = queue.Queue(maxsize=2)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> _Sink:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.put(None)
        self._thread.join()
        self._file.close()

    def write(self, data: bytes) -> None:
        self._queue.put(data)

    def _run(self) -> None:
        while (data := self._queue.get()) is not None:
            self._file.write(self._zip.compress(data) if self._zip else data)
        if self._zip:
            self._file.write(self._zip.flush())


def main() -> None:
    """Writes a file and says where it is and what `paratope ingest` has to be told."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("format", choices=[form.name for form in FORMATS])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--file", type=int, default=0, help="number of the file: another has other cells and records of the same clones")
    given = parser.parse_args()
    form = next(form for form in FORMATS if form.name == given.format)
    path = write(form, given.folder, given.records, given.seed, given.file)
    print(json.dumps({"path": str(path), "options": form.options}))


if __name__ == "__main__":
    main()
