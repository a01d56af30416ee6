"""A table with a deletion vector, written by hand: the writers at hand make none."""

import base64
import json
import struct

import pyarrow
import pyarrow.parquet

BASE85 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
MAGIC = 1681511377
ROARING_WITHOUT_RUNS = 12346


def inline_vector(deleted):
    """Row numbers below 65,536 as Delta's inline deletion vector (Z85 of a 64-bit roaring bitmap)."""
    values = sorted(deleted)
    container = struct.pack(f"<{len(values)}H", *values)
    header = struct.pack("<II", ROARING_WITHOUT_RUNS, 1) + struct.pack("<HH", 0, len(values) - 1)
    bitmap = header + struct.pack("<I", len(header) + 4) + container
    raw = struct.pack("<I", MAGIC) + struct.pack("<Q", 1) + struct.pack("<I", 0) + bitmap
    padded = raw + b"\0" * (-len(raw) % 4)
    text = base64.b85encode(padded).decode().translate(str.maketrans(BASE85, Z85))
    return {
        "storageType": "i",
        "pathOrInlineDv": text,
        "sizeInBytes": len(raw),
        "cardinality": len(values),
    }


def write(folder, rows, deleted):
    """`rows` rows (column `id`), of which `deleted` are deleted."""
    log = folder / "_delta_log"
    log.mkdir(parents=True)
    table = pyarrow.table({"id": pyarrow.array(range(rows), pyarrow.int64())})
    data = folder / "part-0.parquet"
    pyarrow.parquet.write_table(table, data)
    fields = [{"name": "id", "type": "long", "nullable": True, "metadata": {}}]
    features = ["deletionVectors"]
    protocol = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features}
    metadata = {
        "id": "00000000-0000-4000-8000-000000000001",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps({"type": "struct", "fields": fields}),
        "partitionColumns": [],
        "configuration": {"delta.enableDeletionVectors": "true"},
        "createdTime": 0,
    }
    add = {
        "path": data.name,
        "partitionValues": {},
        "size": data.stat().st_size,
        "modificationTime": 0,
        "dataChange": True,
        "stats": json.dumps({"numRecords": rows, "minValues": {"id": 0}, "maxValues": {"id": rows - 1}, "nullCount": {"id": 0}}),
        "deletionVector": inline_vector(deleted),
    }
    actions = [{"protocol": protocol}, {"metaData": metadata}, {"add": add}]
    lines = "".join(json.dumps(action) + "\n" for action in actions)
    (log / f"{0:020}.json").write_text(lines)
