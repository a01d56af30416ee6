#!/usr/bin/env python3
"""Makes the small models of this folder and what Hugging Face `transformers` computes with them.

    python3 -m venv VENV && VENV/bin/pip install torch "transformers>=4.45,<4.50" safetensors numpy
    VENV/bin/python udfs/models/tests/small/make.py

Each folder holds a model with random weights in the layout of its family (`config.json`, `model.safetensors`, and for one of them
`pytorch_model.bin` instead) and `expected.safetensors`: of each sequence the last hidden states and the logits of every token.
`small_models.rs` compares. Weights are drawn with a fixed seed and are larger than those of a fresh model, so that no part of it is idle.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForMaskedLM, EsmConfig, EsmForMaskedLM

HERE = Path(__file__).resolve().parent
SEQUENCES = ["EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQ", "DIQMTQSPSS", "W", "QVQ_XLVE__SGZB", "ACDEFGHIKLMNPQRSTVWY" * 3]
ESM = "<cls> <pad> <eos> <unk> L A G V S E R T I D P K Q N F Y M H W C X B U Z O . - <null_1> <mask>".split()
BERT = "[PAD] [UNK] [CLS] [SEP] [MASK] A C D E F G H I K L M N P Q R S T V W Y".split()


def esm_ids(sequence: str) -> list[int]:
    """The tokens of ESM-2."""
    return [0, *(32 if letter == "_" else ESM.index(letter) for letter in sequence), 2]


def bert_ids(sequence: str) -> list[int]:
    """The tokens of AntiBERTy."""
    return [2, *(4 if letter == "_" else BERT.index(letter) if letter in BERT else 1 for letter in sequence), 3]


def randomise(model: torch.nn.Module) -> None:
    """Weights of some size everywhere, biases too."""
    generator = torch.Generator().manual_seed(7)
    for name, parameter in model.named_parameters():
        drawn = torch.randn(parameter.shape, generator=generator)
        spread = 0.3 if parameter.dim() == 1 else 1.5 / parameter.shape[-1] ** 0.5
        centre = 1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0
        # Rounded to 8 bits of mantissa, so that files could be stored in bfloat16 and compress well.
        parameter.data = (centre + spread * drawn).bfloat16().float()


def write(name: str, model: torch.nn.Module, encode, config: dict, rename=lambda key: key, pickled: bool = False) -> None:
    """One folder."""
    randomise(model)
    model.tie_weights()
    model.eval()
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    weights = {rename(key): value.clone().contiguous() for key, value in model.state_dict().items() if "position_ids" not in key}
    if pickled:
        torch.save(weights, folder / "pytorch_model.bin")
    else:
        save_file({key: value.bfloat16() if value.dtype == torch.float32 and "inv_freq" not in key else value
                   for key, value in weights.items()}, folder / "model.safetensors")
    expected = {}
    for index, sequence in enumerate(SEQUENCES):
        with torch.no_grad():
            ids = torch.tensor([encode(sequence)])
            out = model(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True)
        expected[f"{index}.hidden"] = out.hidden_states[-1][0].contiguous()
        expected[f"{index}.logits"] = out.logits[0].contiguous()
    save_file(expected, folder / "expected.safetensors", {"sequences": json.dumps(SEQUENCES)})


def esm(name: str, hidden: int, heads: int, layers: int, wide: int, dropout: bool) -> None:
    """An ESM-2 of some shape."""
    config = {
        "architectures": ["EsmForMaskedLM"], "model_type": "esm", "vocab_size": 33, "hidden_size": hidden, "num_hidden_layers": layers,
        "num_attention_heads": heads, "intermediate_size": wide, "max_position_embeddings": 130, "position_embedding_type": "rotary",
        "layer_norm_eps": 1e-5, "hidden_act": "gelu", "token_dropout": dropout, "emb_layer_norm_before": False, "pad_token_id": 1,
        "mask_token_id": 32, "is_folding_model": False, "use_cache": True,
    }
    write(name, EsmForMaskedLM(EsmConfig(**config)), esm_ids, config)


def antiberty(name: str, hidden: int, heads: int, layers: int, wide: int) -> None:
    """A BERT in AntiBERTy's layout."""
    config = {
        "architectures": ["AntiBERTy"], "model_type": "bert", "vocab_size": 25, "hidden_size": hidden, "num_hidden_layers": layers,
        "num_attention_heads": heads, "intermediate_size": wide, "max_position_embeddings": 80, "type_vocab_size": 2,
        "layer_norm_eps": 1e-12, "hidden_act": "gelu", "pad_token_id": 0, "position_embedding_type": "absolute",
    }
    write(name, BertForMaskedLM(BertConfig(**config)), bert_ids, config, pickled=True)


def main() -> None:
    """All folders."""
    esm("esm_20x2", 40, 2, 2, 160, True)
    esm("esm_16x3", 48, 3, 3, 96, True)
    esm("esm_64x1", 64, 1, 1, 70, False)
    antiberty("antiberty_12x3", 36, 3, 2, 100)


if __name__ == "__main__":
    main()
