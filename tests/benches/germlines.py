"""Germline V, D and J genes as arrays of codons.

`germlines.fasta` holds a short selection of alleles from the OGRDB germline sets (CC0): V genes in the IMGT layout,
104 codons up to the second cysteine with dots where a gene has no residue, so that a column of the array is an IMGT
position. Bases are numbers (A, C, G, T = 0 … 3); `GAP` stands where there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint8]

GAP = 4
V_CODONS = 104
V_TAIL_CODONS = 9
D_CODONS = 11
J_TAIL_CODONS = 10
J_CODONS = 12
J_REST = 2

LETTERS: Codes = np.frombuffer(b"ACGT\0", dtype=np.uint8)
_CODE = np.full(256, GAP, dtype=np.uint8)
for _code, _letter in enumerate(b"ACGT"):
    _CODE[_letter] = _code

_STANDARD = "KNKNTTTTRSRSIIMIQHQHPPPPRRRRLLLLEDEDAAAAGGGGVVVV*Y*YSSSS*CWCLFLF"
"""The genetic code, codons in the order AAA, AAC, … TTT."""

AMINO_ACIDS: Codes = np.frombuffer((_STANDARD + "\0").encode(), dtype=np.uint8)
"""The amino acid of a codon's number; of number 64, a gap, nothing."""
STOPS: Codes = np.flatnonzero(AMINO_ACIDS == ord("*")).astype(np.uint8)


@dataclass(frozen=True)
class Genes:
    """Genes of one kind, of all species and loci; a gene is known by its number."""

    names: list[str]
    species: list[str]
    locus: list[str]

    def of(self, species: str, locus: str) -> NDArray[np.int64]:
        """The numbers of the genes of a species and locus."""
        pairs = zip(self.species, self.locus, strict=True)
        return np.array([at for at, pair in enumerate(pairs) if pair == (species, locus)])


@dataclass(frozen=True)
class Germlines:
    """All genes, and the codons of each."""

    v: Genes
    d: Genes
    j: Genes
    v_codes: Codes
    """Codons up to C104: genes x 104 x 3."""
    v_length: NDArray[np.int64]
    """Bases up to C104."""
    v_tail: Codes
    """Codons behind C104, from the left."""
    v_tail_length: NDArray[np.int64]
    d_codes: Codes
    """Codons of a reading frame without stops, from the left."""
    d_length: NDArray[np.int64]
    j_tail: Codes
    """Codons before W118 or F118, to the right."""
    j_tail_length: NDArray[np.int64]
    j_codes: Codes
    """Codons from W118 or F118 on."""
    j_rest: Codes
    """What is left of the J gene behind its last codon."""


def codon_numbers(codes: Codes) -> Codes:
    """The number of each codon (0 … 63, 64 for one with a gap) of codes whose last axis is 3."""
    first, second, third = codes[..., 0], codes[..., 1], codes[..., 2]
    number = (first << 4 | second << 2 | third).astype(np.uint8)
    number[(first | second | third) & GAP != 0] = 64
    return number


def translate(codes: Codes) -> str:
    """The residues of codons in a row; nothing for gaps."""
    return AMINO_ACIDS[codon_numbers(codes)].tobytes().replace(b"\0", b"").decode()


def load() -> Germlines:
    """Reads the genes. A header is the name and the species."""
    path = Path(__file__).with_name("germlines.fasta")
    entries: dict[str, list[tuple[str, str, Codes]]] = {"V": [], "D": [], "J": []}
    for record in path.read_text().split(">")[1:]:
        header, *lines = record.splitlines()
        name, species = header.split()
        entries[name[3]].append((name, species, _CODE[list("".join(lines).encode())]))
    v, d, j = entries["V"], entries["D"], entries["J"]
    tails = [_codons(codes[V_CODONS * 3 :]) for _, _, codes in v]
    frames = [_open_frame(codes) for _, _, codes in d]
    ends = [_split_j(name, codes) for name, _, codes in j]
    return Germlines(
        v=_genes(v),
        d=_genes(d),
        j=_genes(j),
        v_codes=np.stack([codes[: V_CODONS * 3].reshape(V_CODONS, 3) for _, _, codes in v]),
        v_length=np.array([(codes[: V_CODONS * 3] != GAP).sum() for _, _, codes in v]),
        v_tail=np.stack([_pad(codons, V_TAIL_CODONS) for codons in tails]),
        v_tail_length=np.array([len(codons) for codons in tails]),
        d_codes=np.stack([_pad(codons, D_CODONS) for codons in frames]),
        d_length=np.array([len(codons) for codons in frames]),
        j_tail=np.stack([_pad(tail[::-1], J_TAIL_CODONS)[::-1] for tail, _, _ in ends]),
        j_tail_length=np.array([len(tail) for tail, _, _ in ends]),
        j_codes=np.stack([_pad(codons, J_CODONS) for _, codons, _ in ends]),
        j_rest=np.stack([np.append(rest, [GAP] * (J_REST - len(rest))) for _, _, rest in ends]).astype(np.uint8),
    )


def _genes(entries: list[tuple[str, str, Codes]]) -> Genes:
    names = [name for name, _, _ in entries]
    return Genes(names, [species for _, species, _ in entries], [name[:3] for name in names])


def _codons(codes: Codes) -> Codes:
    whole = len(codes) // 3 * 3
    return codes[:whole].reshape(-1, 3)


def _pad(codons: Codes, length: int) -> Codes:
    padded = np.full((length, 3), GAP, dtype=np.uint8)
    kept = codons[:length]
    padded[: len(kept)] = kept
    return padded


def _open_frame(codes: Codes) -> Codes:
    frames = [_codons(codes[frame:]) for frame in range(3)]
    return next(frame for frame in frames if "*" not in translate(frame))


def _split_j(name: str, codes: Codes) -> tuple[Codes, Codes, Codes]:
    """The codons before the anchor of `[FW]G.G`, those from it on, and the rest."""
    for frame in range(3):
        codons = _codons(codes[frame:])
        residues = translate(codons)
        for at in range(len(residues) - 3):
            if residues[at] in "FW" and residues[at + 1] == "G" == residues[at + 3] and "*" not in residues:
                return codons[:at], codons[at:], codes[frame + 3 * len(codons) :]
    raise ValueError(f"{name} has no [FW]G.G")
