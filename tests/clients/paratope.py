"""The `paratope` binary, and small inputs for it."""

import json
import os
import random
import subprocess
import tempfile
from pathlib import Path

import pyarrow.parquet

HEAVY = (
    "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYC"
    "AR{}DYWGQGTLVTVSS"
)
LIGHT = (
    "DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYC"
    "QQ{}PTFGQGTKVEIK"
)


class Paratope:
    """The binary on one lake."""

    def __init__(self, binary, lake):
        self.binary = str(Path(binary).resolve())
        self.lake = str(lake)

    def run(self, *arguments, codes=(0,)):
        foreign = ("PARATOPE__", "AWS_", "AZURE_", "GOOGLE_")
        environment = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        done = subprocess.run(
            [self.binary, "--lake", self.lake, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=240,
            env=environment,
            cwd=tempfile.gettempdir(),
            check=False,
        )
        if done.returncode not in codes:
            raise AssertionError(f"paratope {arguments} gave {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def table(self, sql):
        """The result of the last statement as an Arrow table."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "out.parquet"
            self.run("query", "-c", sql, "--format", "parquet", "-o", file)
            return pyarrow.parquet.read_table(file)

    def delta(self, path, select="SELECT * FROM t"):
        """A Delta table elsewhere, or what `select` makes of it."""
        quoted = str(path).replace("'", "''")
        return self.table(f"CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION '{quoted}'; {select}")

    def json(self, sql):
        return json.loads(self.run("query", "--format", "json", "-c", sql))


def fasta(seed, prefix, count):
    """FASTA of heavy and light V domains with CDR3s of their own."""
    rng = random.Random(seed)
    text = []
    for number in range(count):
        template = HEAVY if number % 3 else LIGHT
        middle = "".join(rng.choice("ADEFGHIKLNPQRSTVY") for _ in range(9 if number % 3 else 5))
        text.append(f">{prefix}-{number}\n{template.format(middle)}\n")
    return "".join(text)


def airr(rows):
    """An AIRR table with two custom columns, one of them empty at times."""
    columns = ["sequence_id", "sequence", "sequence_aa", "rev_comp", "productive", "v_call", "d_call", "j_call"]
    columns += ["sequence_alignment", "germline_alignment", "junction", "junction_aa", "v_cigar", "d_cigar", "j_cigar"]
    columns += ["locus", "lab", "ünicode note"]
    lines = ["\t".join(columns)]
    for number in range(rows):
        cells = dict.fromkeys(columns, "")
        cells.update(sequence_id=f"airr-{number}", sequence_aa=HEAVY.format("GGSYGMDVS"), rev_comp="F", productive="T")
        cells.update(v_call="IGHV3-66*01,IGHV3-66*02", j_call="IGHJ4*02", locus="IGH")
        cells["lab"] = "" if number % 2 else f"Zürich {number}"
        cells["ünicode note"] = "a \"quoted\" 'note'"
        lines.append("\t".join(cells[name] for name in columns))
    return "\n".join(lines) + "\n"


def repertoires(count):
    """AIRR repertoire metadata."""
    found = []
    for number in range(count):
        subject = {"subject_id": f"S{number}", "species": {"id": "NCBITAXON:9606", "label": "Homo sapiens"}, "sex": "female"}
        found.append(
            {
                "repertoire_id": f"R{number}",
                "study": {"study_id": "PRJ", "study_title": "A test"},
                "subject": subject,
                "sample": [{"sample_id": f"A{number}", "tissue": {"id": "UBERON:0000178", "label": "blood"}}],
                "data_processing": [{"data_processing_id": "1"}],
            }
        )
    return json.dumps({"Repertoire": found})
