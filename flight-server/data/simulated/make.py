"""Makes `donors.tsv.gz`: heavy chains of two simulated donors, the same bytes each time.

    python3 make.py

Nothing in it is measured from a person; study `simulated_donors`, subjects `simulated-donor-1` and `-2`. Clones have sizes
that follow a power law, members that share their CDR3, somatic mutations on a common stem, and isotypes that switch
from IgM onwards. Eight clonotypes are public: both donors have them, with different mutations. Germline V genes are from OGRDB
(CC0), as in `tests/benches/germlines.fasta`.
"""

from __future__ import annotations

import gzip
import random
from pathlib import Path

HERE = Path(__file__).resolve().parent
GERMLINES = HERE.parents[2] / "tests/benches/germlines.fasta"
V_GENES = ("IGHV1-2*02", "IGHV1-69*01", "IGHV3-7*01", "IGHV3-23*01", "IGHV3-30*18", "IGHV3-33*01", "IGHV4-34*01", "IGHV4-59*01", "IGHV5-51*01")
J_TAILS = {"IGHJ3*02": ("AFDI", "WGQGTMVTVSS"), "IGHJ4*02": ("YFDY", "WGQGTLVTVSS"), "IGHJ5*02": ("WFDP", "WGQGTLVTVSS"), "IGHJ6*02": ("YYYYGMDV", "WGQGTTVTVSS")}
# In the order of the genes on the chromosome: a chain switches downstream only.
ISOTYPES = ("IGHM*01", "IGHG3*01", "IGHG1*01", "IGHA1*01", "IGHG2*01", "IGHA2*01")
RESIDUES = "GSYDRPATLVENFQHIKWM"
PUBLIC = 8
CLONES = 70
CODE = dict(zip((a + b + c for a in "TCAG" for b in "TCAG" for c in "TCAG"),
                "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG", strict=True))
COLUMNS = ("sequence_id", "sequence", "sequence_aa", "rev_comp", "productive", "v_call", "d_call", "j_call", "c_call", "sequence_alignment",
           "germline_alignment", "junction", "junction_aa", "v_cigar", "d_cigar", "j_cigar", "locus", "v_identity", "duplicate_count",
           "clone_id", "subject_id")


def v_residues() -> dict[str, str]:
    """V genes as amino acids up to the conserved cysteine (IMGT 104)."""
    found = {}
    for record in GERMLINES.read_text().split(">")[1:]:
        head, *rest = record.splitlines()
        name = head.split()[0]
        if name in V_GENES:
            bases = "".join(rest).replace(".", "")
            protein = "".join(CODE[bases[at:at + 3]] for at in range(0, len(bases) - 2, 3))
            found[name] = protein[:protein.rindex("C") + 1]
    return found


def mutated(draw: random.Random, protein: str, count: int) -> str:
    """The protein with `count` residues replaced, cysteines and tryptophans excepted."""
    letters = list(protein)
    for at in draw.sample([at for at, letter in enumerate(letters) if letter not in "CW"], count):
        letters[at] = draw.choice(RESIDUES.replace(letters[at], ""))
    return "".join(letters)


def clonotype(draw: random.Random) -> tuple[str, str, str]:
    """V call, J call, CDR3."""
    j_call = draw.choice(sorted(J_TAILS))
    insert = "".join(draw.choice(RESIDUES) for _ in range(draw.randint(4, 11)))
    return draw.choice(V_GENES), j_call, "AR" + insert + J_TAILS[j_call][0]


def main() -> None:
    """Writes the file."""
    draw = random.Random(20260501)
    genes = v_residues()
    public = [clonotype(draw) for _ in range(PUBLIC)]
    lines = ["\t".join(COLUMNS)]
    for donor in (1, 2):
        clones = public + [clonotype(draw) for _ in range(CLONES - PUBLIC)]
        draw.shuffle(clones)
        for rank, (v_call, j_call, cdr3) in enumerate(clones, start=1):
            germline = genes[v_call]
            stem = mutated(draw, germline, draw.randint(0, 4))
            for member in range(1, max(1, round(24 / rank)) + 1):
                isotype = min(draw.randint(0, 2) + draw.randint(0, 2) * (member > 1), len(ISOTYPES) - 1)
                v_region = mutated(draw, stem, draw.randint(0, 2 + 2 * (isotype > 0)))
                same = sum(ours == theirs for ours, theirs in zip(v_region, germline, strict=True))
                name = f"simulated-donor-{donor}"
                row = dict.fromkeys(COLUMNS, "")
                row |= {
                    "sequence_id": f"{name}_{rank:03}_{member:02}", "sequence_aa": v_region + cdr3 + J_TAILS[j_call][1], "productive": "T",
                    "v_call": v_call, "j_call": j_call, "c_call": ISOTYPES[isotype], "junction_aa": f"C{cdr3}W", "locus": "IGH",
                    "v_identity": f"{same / len(germline):.4f}", "duplicate_count": str(max(1, int(draw.paretovariate(1.2)))),
                    "clone_id": f"{name}_{rank:03}", "subject_id": name,
                }
                lines.append("\t".join(row.values()))
    text = "\n".join(lines) + "\n"
    with gzip.GzipFile(HERE / "donors.tsv.gz", "wb", compresslevel=9, mtime=0) as file:
        file.write(text.encode())


if __name__ == "__main__":
    main()
