"""Simulated antibody repertoires: two human donors and a mouse, the same for the same seed and size.

Nothing here is measured from a person. Every record says so: study `simulated`, subjects `simulated-donor-1`,
`simulated-donor-2` and `simulated-mouse-1`.

The model is rough but has what queries and ingest depend on: uneven gene usage, CDR3s of realistic length built from
V, N, D, N and J, clones whose sizes follow a power law and whose members share mutations, single cells with a heavy and
a light chain, bulk records of one chain, and records that are not productive. A clone is a number, and all that is
true of it is a hash of that number: no pool of clones is kept, and any chunk can be made on its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from germlines import (
    AMINO_ACIDS,
    D_CODONS,
    GAP,
    J_TAIL_CODONS,
    STOPS,
    V_CODONS,
    V_TAIL_CODONS,
    Codes,
    Germlines,
    codon_numbers,
    load,
)

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
Flags = NDArray[np.bool_]
Hashes = NDArray[np.uint64]

STUDY = "simulated"
CHUNK = 20_000
CDR3_CODONS = 32
LOCI = ("IGH", "IGK", "IGL")
ISOTYPES = ("IGHM*01", "IGHG1*01", "IGHA1*01", "IGKC*01", "IGLC2*01")

_EXPANDED = 0.45
"""Share of units (cells or bulk records) that belong to the clones of the power law."""
_CLONES = 50_000
_POWER = 0.4
"""The share of the clones up to rank r is (r / `_CLONES`) ** `_POWER`."""
_MAX_MUTATED = 0.15
_CDR1, _CDR2 = slice(26, 38), slice(55, 65)
_ANCHORS = (22, 40, 103)
_DRAWN = ("v", "d", "j", "locus", "length", "level", "isotype", "trim_v", "trim_j", "n", "mutation", "codon")
_FIELDS = {name: number for number, name in enumerate(_DRAWN, start=1)}
# Residues as N regions have them: rich in G, S, Y, D, R and P, poor in C, W, M.
_N_RESIDUES = {"G": 14, "S": 11, "Y": 8, "D": 8, "R": 9, "P": 8, "A": 6, "T": 6, "L": 7, "V": 5, "E": 4, "N": 3, "F": 3,
               "Q": 2, "H": 2, "I": 2, "K": 2, "W": 2, "M": 1}


@dataclass(frozen=True)
class Subject:
    """Whom records are from."""

    name: str
    species: str
    weight: float
    kappa: float
    """Share of kappa among light chains."""


DONORS = (Subject("simulated-donor-1", "human", 0.475, 0.62), Subject("simulated-donor-2", "human", 0.475, 0.58))
MOUSE = Subject("simulated-mouse-1", "mouse", 0.05, 0.94)
ALL_SUBJECTS = (*DONORS, MOUSE)


@dataclass(frozen=True)
class Records:
    """A chunk of records, column by column; bases as numbers (see `germlines`)."""

    number: Ints
    """Number of the record in its file, from 1."""
    subject: Ints
    """Index into the subjects of the file."""
    chain: Ints
    """Index into `LOCI`."""
    v: Ints
    d: Ints
    """D gene, -1 for none."""
    j: Ints
    isotype: Ints
    """Index into `ISOTYPES`."""
    clone: Hashes
    cell: Ints
    """Number of the cell, 0 for bulk records."""
    v_codes: Codes
    """V gene as mutated, IMGT positions 1 to 104."""
    v_germline: Codes
    cdr3_codes: Codes
    cdr3_n: Flags
    """Codons of the CDR3 that are N regions."""
    cdr3_d: Flags
    """Codons of the CDR3 that are the D gene."""
    cdr3_length: Ints
    j_codes: Codes
    j_rest: Codes
    v_identity: Reals
    stop: Flags
    """Has a stop codon in the CDR3."""
    shifted: Flags
    """Lacks a base of the CDR3: out of frame."""
    copies: Ints
    umis: Ints
    reads: Ints

    def __len__(self) -> int:
        return len(self.number)

    @property
    def productive(self) -> Flags:
        """Neither a stop nor out of frame."""
        return ~(self.stop | self.shifted)

    def where(self, keep: Flags) -> Records:
        """The records that a flag marks, with their numbers."""
        return replace(self, **{field.name: getattr(self, field.name)[keep] for field in fields(self)})


class Generator:
    """Makes the records of one file."""

    def __init__(self, seed: int, file: int = 0, subjects: Sequence[Subject] = ALL_SUBJECTS, heavy_only: bool = False) -> None:
        self.subjects = tuple(subjects)
        self.germlines: Germlines = load()
        self._heavy_only = heavy_only
        self._seed = seed
        self._file = file
        self._made = 0
        self._cells = 0
        self._units = 0
        self._rng = np.random.default_rng((seed, file))
        self._usage = _Usage(self.germlines)
        self._subject_number = np.array([ALL_SUBJECTS.index(subject) for subject in self.subjects])
        weights = np.array([subject.weight for subject in self.subjects])
        self._shares = np.cumsum(weights / weights.sum())

    def chunks(self, records: int) -> Iterator[Records]:
        """`records` records, in chunks."""
        while self._made < records:
            yield self._chunk(min(CHUNK, records - self._made))

    def _chunk(self, count: int) -> Records:
        rng, germlines = self._rng, self.germlines
        # A quarter of the records are heavy chains of cells, a quarter their light chains, and the rest is bulk.
        pairs = 0 if self._heavy_only else count // 4
        units = count - pairs
        unit = np.concatenate([np.repeat(np.arange(pairs), 2), np.arange(pairs, units)])
        heavy = np.concatenate([np.tile([True, False], pairs), rng.random(units - pairs) < (1 if self._heavy_only else 0.55)])
        in_cell = np.arange(count) < 2 * pairs
        subject = np.searchsorted(self._shares, rng.random(units))[unit]
        subject = np.minimum(subject, len(self.subjects) - 1)
        clone = self._clones(units)[unit] ^ (self._subject_number[subject].astype(np.uint64) << np.uint64(60))
        cell = np.where(in_cell, self._cells + unit + 1, 0)
        # A light chain is another draw from the same clone.
        key = _mix(clone * np.uint64(2) + heavy + np.uint64(self._seed << 8))
        usage = self._usage.draw(key, heavy, self._subject_number[subject])
        level = _level(_uniform(clone, "level")) * np.where(heavy, 1.0, 0.6)
        v_germline = germlines.v_codes[usage.v]
        v_codes, v_identity = self._mutate(usage.v, key, level)
        cdr3 = self._cdr3(key, heavy, usage, level)
        spoilt = rng.random(count) < np.where(in_cell, 0.02, 0.08)
        stop = spoilt & (rng.random(count) < 0.5)
        shifted = spoilt & ~stop
        cdr3.codes[stop, 3] = (3, 2, 0)
        cdr3.codes[shifted, 2, 1] = GAP
        isotype = np.where(heavy, (_uniform(clone, "isotype") * 3).astype(int), 2 + usage.chain)
        umis = np.where(in_cell, rng.geometric(0.12, count), 0)
        records = Records(
            number=np.arange(self._made + 1, self._made + count + 1), subject=subject, chain=usage.chain,
            v=usage.v, d=np.where(cdr3.d.any(axis=1), usage.d, -1), j=usage.j, isotype=isotype, clone=clone, cell=cell,
            v_codes=v_codes, v_germline=v_germline, cdr3_codes=cdr3.codes, cdr3_n=cdr3.n, cdr3_d=cdr3.d,
            cdr3_length=cdr3.length, j_codes=germlines.j_codes[usage.j], j_rest=germlines.j_rest[usage.j],
            v_identity=v_identity, stop=stop, shifted=shifted, copies=rng.geometric(0.6, count), umis=umis,
            reads=umis * rng.integers(5, 60, count))
        self._made += count
        self._cells += pairs
        self._units += units
        return records

    def _clones(self, units: int) -> Hashes:
        """The clone of each unit: one of the power law, or one of its own."""
        expanded = self._rng.random(units) < _EXPANDED
        rank = (_CLONES * self._rng.random(units) ** (1 / _POWER)).astype(np.uint64)
        own = np.arange(self._units, self._units + units, dtype=np.uint64) + np.uint64((self._file + 1) << 32)
        return np.where(expanded, rank, own)

    def _mutate(self, drawn: Ints, key: Hashes, level: Reals) -> tuple[Codes, Reals]:
        """V genes with mutations, most of them shared by the clone, and the identity to the germline."""
        germline = self.germlines.v_codes[drawn]
        count = len(germline)
        heat = np.full(V_CODONS, 0.8)
        heat[_CDR1] = heat[_CDR2] = 2.2
        heat[list(_ANCHORS)] = 0
        chance = (level[:, None] * heat[None, :])[:, :, None]
        hashes = _hash_grid(key, "mutation", V_CODONS * 3).reshape(germline.shape)
        shared = hashes < (chance * (0.8 * 2**32)).astype(np.uint32)
        private = self._rng.integers(0, 2**16, germline.shape, dtype=np.uint16) < (chance * (0.2 * 2**16)).astype(np.uint16)
        codes = germline.copy()
        at = np.nonzero((shared | private) & (germline != GAP))
        codes[at] = (codes[at] + 1 + (hashes[at] >> np.uint32(7)) % np.uint32(3)) & np.uint32(3)
        record, codon = np.divmod(np.unique(at[0] * V_CODONS + at[1]), V_CODONS)
        stops = np.isin(codon_numbers(codes[record, codon]), STOPS)
        record, codon = record[stops], codon[stops]
        codes[record, codon] = germline[record, codon]
        different = (codes != germline).reshape(count, -1).sum(axis=1)
        return codes, 1 - different / (self.germlines.v_length[drawn])

    def _cdr3(self, key: Hashes, heavy: Flags, usage: _Drawn, level: Reals) -> _Cdr3:
        """CDR3s: V, N, D, N, J; light chains V, N, J."""
        germlines = self.germlines
        n_light = np.searchsorted([0.75, 0.95], _uniform(key, "n"))
        v_length = germlines.v_tail_length[usage.v] - (_uniform(key, "trim_v") * 2).astype(int)
        j_length = germlines.j_tail_length[usage.j] - (_uniform(key, "trim_j") * np.where(heavy, 3, 1)).astype(int)
        wanted = _HEAVY_LENGTHS[(_uniform(key, "length") * len(_HEAVY_LENGTHS)).astype(int)]
        j_length = np.where(heavy, np.clip(wanted - v_length, 0, j_length), j_length)
        length = np.where(heavy, np.maximum(wanted, v_length + j_length), v_length + j_length + n_light)
        between = length - v_length - j_length
        d_length = np.where(heavy, np.minimum(germlines.d_length[usage.d], between - 2), 0).clip(0)
        d_start = v_length + (between - d_length) // 2
        column = np.arange(CDR3_CODONS)[None, :]
        is_v = column < v_length[:, None]
        is_d = (column >= d_start[:, None]) & (column < (d_start + d_length)[:, None])
        is_j = (column >= (length - j_length)[:, None]) & (column < length[:, None])
        is_n = (column < length[:, None]) & ~(is_v | is_d | is_j)
        hashed = _hash_grid(key, "codon", CDR3_CODONS)
        codes = np.full((len(key), CDR3_CODONS, 3), GAP, dtype=np.uint8)
        at_v = np.minimum(column, V_TAIL_CODONS - 1)
        at_d = np.clip(column - d_start[:, None], 0, D_CODONS - 1)
        at_j = np.clip(J_TAIL_CODONS - length[:, None] + column, 0, J_TAIL_CODONS - 1)
        codes[is_v] = germlines.v_tail[usage.v[:, None], at_v][is_v]
        codes[is_d] = germlines.d_codes[usage.d[:, None], at_d][is_d]
        codes[is_j] = germlines.j_tail[usage.j[:, None], at_j][is_j]
        codes[is_n] = _N_CODONS[hashed % np.uint32(len(_N_CODONS))][is_n]
        private = self._rng.random(codes.shape, dtype=np.float32) < (level * 0.5)[:, None, None]
        before = codes.copy()
        at = np.nonzero(private & (codes != GAP))
        codes[at] = (codes[at] + 1 + (at[0] & 1)) & 3
        stops = np.isin(codon_numbers(codes), STOPS)
        codes[stops] = before[stops]
        return _Cdr3(codes, is_n, is_d, length)


@dataclass(frozen=True)
class _Drawn:
    chain: Ints
    v: Ints
    d: Ints
    j: Ints


@dataclass(frozen=True)
class _Cdr3:
    codes: Codes
    n: Flags
    d: Flags
    length: Ints


class _Usage:
    """Which genes are drawn how often, by species and locus."""

    def __init__(self, germlines: Germlines) -> None:
        self._genes = {
            (subject, chain, kind): genes.of(ALL_SUBJECTS[subject].species, locus)
            for subject in range(len(ALL_SUBJECTS))
            for chain, locus in enumerate(LOCI)
            for kind, genes in (("v", germlines.v), ("d", germlines.d), ("j", germlines.j))
        }

    def draw(self, key: Hashes, heavy: Flags, subject: Ints) -> _Drawn:
        kappa = np.array([subject.kappa for subject in ALL_SUBJECTS])[subject]
        chain = np.where(heavy, 0, np.where(_uniform(key, "locus") < kappa, 1, 2))
        drawn = {kind: np.zeros(len(key), dtype=np.int64) for kind in "vdj"}
        uniform = {kind: _uniform(key, kind) for kind in "vdj"}
        for (owner, locus, kind), genes in self._genes.items():
            here = (subject == owner) & (chain == locus)
            if len(genes) == 0 or not here.any():
                continue
            weights = 1 / (1 + 0.25 * np.random.default_rng((owner, locus, ord(kind))).permutation(len(genes)))
            at = np.searchsorted(np.cumsum(weights / weights.sum()), uniform[kind][here])
            drawn[kind][here] = genes[np.minimum(at, len(genes) - 1)]
        return _Drawn(chain, drawn["v"], drawn["d"], drawn["j"])


def _mix(value: Hashes) -> Hashes:
    """SplitMix64."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def _uniform(key: Hashes, field: str) -> Reals:
    """A number in [0, 1) for each key and field."""
    return (_mix(key ^ (np.uint64(_FIELDS[field]) << np.uint64(40))) >> np.uint64(11)).astype(np.float64) / 2**53


def _hash_grid(key: Hashes, field: str, columns: int) -> NDArray[np.uint32]:
    """A 32-bit hash for each key and column."""
    rows = _mix(key ^ (np.uint64(_FIELDS[field]) << np.uint64(40))).astype(np.uint32)
    grid = rows[:, None] ^ (np.arange(1, columns + 1, dtype=np.uint32) * np.uint32(0x9E3779B9))[None, :]
    grid ^= grid >> np.uint32(16)
    grid *= np.uint32(0x7FEB352D)
    grid ^= grid >> np.uint32(15)
    grid *= np.uint32(0x846CA68B)
    grid ^= grid >> np.uint32(16)
    return grid


def _level(uniform: Reals) -> Reals:
    """Share of mutated bases: two in five clones are naive."""
    memory = 0.01 + (_MAX_MUTATED - 0.01) * ((uniform - 0.4) / 0.6).clip(0) ** 2
    return np.where(uniform < 0.4, 0.001, memory)


def _heavy_lengths() -> Ints:
    """Lengths of heavy CDR3s (IMGT 105-117), as often as they are drawn: 15 residues with a deviation of 3.8."""
    lengths = np.arange(5, CDR3_CODONS - 1)
    shares = np.exp(-0.5 * ((lengths - 15) / 3.8) ** 2)
    return np.repeat(lengths, np.round(1_000 * shares / shares.sum()).astype(int))


def _n_codons() -> Codes:
    """Codons of N regions, as often as they are drawn."""
    chosen: list[int] = []
    for residue, weight in _N_RESIDUES.items():
        codons = np.flatnonzero(AMINO_ACIDS == ord(residue))
        chosen.extend(int(codons[at % len(codons)]) for at in range(weight * 6))
    numbers = np.array(chosen)
    return np.stack([numbers // 16, numbers // 4 % 4, numbers % 4], axis=1).astype(np.uint8)


_HEAVY_LENGTHS = _heavy_lengths()
_N_CODONS = _n_codons()
