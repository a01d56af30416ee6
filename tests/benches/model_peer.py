"""One peer of the language models, in a process of its own: PyTorch or onnxruntime, on AntiBERTy's weights.

    model_peer.py prepare FOLDER                     # writes FOLDER/f32.onnx and FOLDER/int8.onnx, prints the folder of the weights
    model_peer.py PEER FOLDER SEQUENCES THREADS RUNS OUT

PEER is torch-f32, torch-bf16, onnxruntime-f32, onnxruntime-int8 (embeddings) or antiberty and antiberty-16
(pseudo-log-likelihood, by the package's own function: as it is called by default, all masked copies of a sequence at once, and 16 of them
at a time, which is its fastest). SEQUENCES has a sequence a line. Prints the seconds of each run as JSON, and writes the results, f32 in the order of the sequences.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

LETTERS = "ACDEFGHIKLMNPQRSTVWY"
BATCH = 8
"""Sequences of a batch, sorted by length: faster for onnxruntime than 32 (f32 33 beside 27 sequences a CPU-second, int8 76 beside 55)."""


def encode(sequence: str) -> list[int]:
    """AntiBERTy's tokens."""
    return [2, *(5 + LETTERS.index(letter) if letter in LETTERS else 1 for letter in sequence), 3]


def encoder():
    """The package's encoder."""
    from antiberty import AntiBERTyRunner

    return AntiBERTyRunner().model.bert.eval()


def prepare(folder: Path) -> None:
    """Exports the encoder and quantises it dynamically, as onnxruntime's documentation has it."""
    import antiberty
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    class Hidden(torch.nn.Module):
        """The last hidden states alone."""

        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder()

        def forward(self, ids, mask):
            """Of padded batches."""
            return self.encoder(input_ids=ids, attention_mask=mask)[0]

    folder.mkdir(parents=True, exist_ok=True)
    ids = torch.randint(5, 25, (2, 100))
    axes = {name: {0: "batch", 1: "length"} for name in ("ids", "mask", "hidden")}
    if not (folder / "int8.onnx").exists():
        torch.onnx.export(Hidden().eval(), (ids, torch.ones_like(ids)), str(folder / "f32.onnx"), input_names=["ids", "mask"],
                          output_names=["hidden"], dynamic_axes=axes, opset_version=17, dynamo=False)
        quantize_dynamic(str(folder / "f32.onnx"), str(folder / "int8.onnx"), weight_type=QuantType.QInt8)
    print(Path(antiberty.__file__).parent / "trained_models" / "AntiBERTy_md_smooth")


def forward(peer: str, folder: Path, threads: int):
    """The forward pass of a peer: padded ids and mask to hidden states."""
    import numpy

    if peer.startswith("onnxruntime"):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        session = onnxruntime.InferenceSession(str(folder / f"{peer.split('-')[1]}.onnx"), options, providers=["CPUExecutionProvider"])
        return lambda ids, mask: session.run(None, {"ids": ids, "mask": mask})[0]
    import torch

    model = encoder()
    if peer == "torch-bf16":
        model = model.bfloat16()

    def run(ids, mask):
        with torch.inference_mode():
            return model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask))[0].float().numpy()

    assert numpy is not None
    return run


def embeddings(peer: str, folder: Path, sequences: list[str], threads: int):
    """A function that computes all embeddings once, mean over residues."""
    import numpy

    run = forward(peer, folder, threads)
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index]))
    batches = []
    for at in range(0, len(order), BATCH):
        members = order[at:at + BATCH]
        longest = max(len(sequences[index]) for index in members) + 2
        ids, mask = numpy.zeros((2, len(members), longest), numpy.int64)
        for row, index in enumerate(members):
            tokens = encode(sequences[index])
            ids[row, :len(tokens)], mask[row, :len(tokens)] = tokens, 1
        batches.append((members, ids, mask))
    run(*batches[0][1:])

    def once():
        out = numpy.zeros((len(sequences), 512), numpy.float32)
        for members, ids, mask in batches:
            hidden = run(ids, mask)
            for row, index in enumerate(members):
                out[index] = hidden[row, 1:1 + len(sequences[index])].mean(axis=0)
        return out

    return once


def likelihoods(peer: str, sequences: list[str]):
    """A function that computes all pseudo-log-likelihoods once, by the package."""
    from antiberty import AntiBERTyRunner

    runner = AntiBERTyRunner()
    runner.embed(sequences[:1])
    return lambda: runner.pseudo_log_likelihood(sequences, batch_size=16 if peer == "antiberty-16" else None).float().numpy()


def main() -> None:
    """Prepares, or measures."""
    if sys.argv[1] == "prepare":
        return prepare(Path(sys.argv[2]))
    peer, folder, file, threads, runs, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:7]
    os.environ["OMP_NUM_THREADS"] = threads
    sequences = file.read_text().split()
    if not peer.startswith("onnxruntime"):
        import torch

        torch.set_num_threads(int(threads))
    once = likelihoods(peer, sequences) if peer.startswith("antiberty") else embeddings(peer, folder, sequences, int(threads))
    seconds, processor = [], []
    for _ in range(int(runs)):
        started, used = time.perf_counter(), time.process_time()
        result = once()
        seconds.append(time.perf_counter() - started)
        processor.append(time.process_time() - used)
    Path(out).write_bytes(result.astype("float32").tobytes())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(json.dumps({"seconds": seconds, "processor_seconds": processor, "peak_mib": peak}))


if __name__ == "__main__":
    main()
