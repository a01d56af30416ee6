"""Where our IMGT numbering differs from ANARCI's: both numberings and a verdict, chain by chain.

    python3 -m venv VENV && VENV/bin/pip install anarci          # and HMMER's hmmscan on the path (Debian: hmmer)
    cargo build --release -p antibody --example number
    VENV/bin/ANARCI -i chains.fa -s imgt -o chains.anarci        # once; it takes a while
    python3 tests/benches/numbering_report.py chains.fa chains.anarci --number target/release/examples/number

Prints a table of verdicts, then each disagreement. The verdict follows from residues that every V domain has (Lefranc et al.
2003): C23, W41, C104 and framework 4's [FW]118, G119, G121. Who has more of them at their places is right; where both have
the same, it says what differs: the end of the domain, where an insertion lies, or a loop that is filled otherwise.
"""

from __future__ import annotations

import argparse
import collections
import subprocess
from pathlib import Path

ANCHORS = {"23": "C", "41": "W", "104": "C", "118": "FW", "119": "G", "121": "G"}
Numbering = dict[str, str]


def anarci(path: Path) -> dict[str, list[Numbering]]:
    """Domains of each chain, by the position of each residue, from ANARCI's output."""
    chains: dict[str, list[Numbering]] = {}
    name, domains, domain = None, [], {}
    for line in path.read_text().splitlines():
        if name is None and line.startswith("# "):
            name = line[2:].strip()
        elif line.startswith("# Domain") or line.startswith("//"):
            if domain:
                domains.append(domain)
            domain = {}
            if line.startswith("//"):
                chains[str(name).split()[0]] = domains
                name, domains = None, []
        elif not line.startswith("#") and line[-1] != "-":
            domain[line[2:10].replace(" ", "")] = line[-1]
    return chains


def ours(path: Path, number: Path) -> dict[str, list[Numbering]]:
    """The same from the example `number`, which prints `name TAB locus TAB position:residue …` a domain."""
    printed = subprocess.run([number, path], check=True, capture_output=True, text=True).stdout
    chains: dict[str, list[Numbering]] = collections.defaultdict(list)
    for line in printed.splitlines():
        name, _, positions = line.split("\t")
        chains[name].append(dict(pair.split(":") for pair in positions.split()))
    return chains


def anchors(numbering: Numbering) -> int:
    """How many conserved residues are at their places."""
    return sum(numbering.get(position, "-") in letters for position, letters in ANCHORS.items())


def verdict(us: Numbering, them: Numbering) -> str:
    """Who is right, and in what they differ."""
    if anchors(us) != anchors(them):
        return "ours: more conserved residues at their places" if anchors(us) > anchors(them) else "ANARCI: more conserved residues"
    only_us, only_them = set(us) - set(them), set(them) - set(us)
    shared = set(us) & set(them)
    numbers = {int(position.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")) for position in only_us | only_them}
    moved = sorted(position for position in shared if us[position] != them[position])
    if not moved and numbers and (max(numbers) < 12 or min(numbers) > 117):
        return "an end: how far the domain reaches"
    if any(position[-1].isalpha() for position in only_us | only_them):
        return "an insertion lies elsewhere"
    if numbers and all(27 <= n <= 38 or 56 <= n <= 65 or 105 <= n <= 117 for n in numbers):
        return "a loop is filled otherwise"
    return "framework residues are placed otherwise"


def shown(numbering: Numbering) -> str:
    """A numbering as text."""
    return " ".join(f"{position}{residue}" for position, residue in numbering.items())


def main() -> None:
    """Compares two numberings of a FASTA file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fasta", type=Path)
    parser.add_argument("anarci", type=Path, help="what ANARCI wrote for that file (-s imgt)")
    parser.add_argument("--number", type=Path, required=True, help="the example `number`, built")
    parser.add_argument("--summary", action="store_true", help="the table only")
    given = parser.parse_args()
    them, us = anarci(given.anarci), ours(given.fasta, given.number)
    table: collections.Counter[str] = collections.Counter()
    listed = []
    for name, theirs in them.items():
        mine = us.get(name, [])
        if mine == theirs:
            table["equal"] += 1
        elif len(mine) != len(theirs):
            word = f"{len(mine)} domains, ANARCI {len(theirs)}"
            table[word] += 1
            listed.append((name, word, mine, theirs))
        else:
            words = {verdict(a, b) for a, b in zip(mine, theirs) if a != b}
            word = "; ".join(sorted(words))
            table[word] += 1
            listed.append((name, word, mine, theirs))
    for word, count in table.most_common():
        print(f"{count:7}  {word}")
    if not given.summary:
        for name, word, mine, theirs in listed:
            print(f"\n{name}: {word}")
            for label, domains in (("ours  ", mine), ("ANARCI", theirs)):
                for domain in domains or [{}]:
                    print(f"  {label} {shown(domain)}")


if __name__ == "__main__":
    main()
