"""Seeded random proteins, and what Biopython says of them and of pairs of them."""

import random

from Bio.Align import PairwiseAligner, substitution_matrices
from Bio.SeqUtils.ProtParam import ProteinAnalysis

STANDARD = "ACDEFGHIKLMNPQRSTVWY"
# Any of these is enough to leave the properties of the whole unknown.
UNKNOWN = "XBZJUO*"
SEED = 20240601
LENGTHS = (1, 2, 3, 10, 60, 120, 450, 1500)


def proteins(count):
    """Random sequences of standard residues; some consist of few kinds, for extremes of charge."""
    dice = random.Random(SEED)
    for number in range(count):
        kinds = STANDARD if number % 4 else dice.sample(STANDARD, 3)
        yield "".join(dice.choices(kinds, k=dice.choice(LENGTHS)))


def pairs(count):
    """Pairs of related sequences: substituted, shortened, with insertions; and some unrelated ones."""
    dice = random.Random(SEED + 1)
    for number in range(count):
        one = "".join(dice.choices(STANDARD, k=dice.randint(5, 60)))
        other = list(one)
        for _ in range(dice.randint(0, 8)):
            place = dice.randrange(len(other))
            change = dice.choice(("substitute", "insert", "delete"))
            if change == "substitute":
                other[place] = dice.choice(STANDARD)
            elif change == "insert":
                other[place:place] = dice.choices(STANDARD, k=dice.randint(1, 5))
            elif len(other) > 5:
                del other[place]
        if number % 5 == 0:
            other = dice.choices(STANDARD, k=dice.randint(5, 60))
        yield one, "".join(other)


def properties(sequence, ph):
    """What ProtParam says, by the names of our functions."""
    analysis = ProteinAnalysis(sequence)
    reduced, cystines = analysis.molar_extinction_coefficient()
    return {
        "mass": analysis.molecular_weight(),
        "gravy": analysis.gravy(),
        "aromaticity": analysis.aromaticity(),
        "instability": analysis.instability_index(),
        "reduced": reduced,
        "cystines": cystines,
        "point": analysis.isoelectric_point(),
        "charge": analysis.charge_at_pH(ph),
    }


def needle():
    """An aligner with the defaults of EMBOSS needle."""
    aligner = PairwiseAligner(mode="global")
    aligner.substitution_matrix = substitution_matrices.load("BLOSUM62")
    aligner.open_gap_score = -10
    aligner.extend_gap_score = -0.5
    aligner.end_gap_score = 0
    return aligner


def identities(aligner, one, other, most):
    """Identities over columns of each of the best alignments; None where there are more than `most`."""
    found = set()
    for number, alignment in enumerate(aligner.align(one, other)):
        if number == most:
            return None
        rows = alignment[0], alignment[1]
        equal = sum(a == b for a, b in zip(*rows))
        found.add((equal, -len(rows[0])))
    return found
