"""Pack an autoencoder, a base and an edit model into one folder, as pocket is shipped.

Law: the packed models are the trained ones rounded to float16, and nothing else; the text encoder is not
copied, it comes from its package.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from editors.files import reason_of, replacing_folder
from editors.model.diffusion_model import DiffusionModel
from editors.model.loading.checkpoints import TEXT_ENCODER, load_text_encoder
from editors.model.loading.kinds import find_model
from editors.model.loading.load import load
from editors.model.unets import FOLDER as NETWORK_FOLDER
from editors.requests.settings import Kind, Recommended, checked
from trainer.data.examples import encoder_hash, state_hash
from trainer.errors import InvalidConfig
from trainer.export import forget_places
from trainer.runs.folder import require_spellable
from trainer.tasks.autoencoder import load_autoencoder

KEPT = ("README.md", "drawn.jpg", "edited.jpg")
"""What lies beside the models for people, and is there again afterwards: the card and its pictures."""


def pack(
    autoencoder: Path,
    base: Path,
    edit: Path,
    out: Path,
    recommended: Recommended | None = None,
) -> dict[str, Any]:
    """Write the folder, keeping a model card that lies there, and what it says of its instructions.

    Args:
        autoencoder: Folder of a trained autoencoder, or of its run. The latents are its encoder's, so its
            decoder may have been trained further than the one the other two were exported with.
        base: Folder of a trained base model, or of its run.
        edit: Folder of a trained edit model, or of its run.
        out: Where to.
        recommended: Settings that suit each model, by their name in a request; None takes what each says.

    Returns:
        What `pocket.json` says: how each model came about.

    Raises:
        InvalidConfig: The three do not share their latents or text encoder, `recommended` holds no settings,
            `out` holds something else, or cannot be written.
        EditorError: One of them is no model.
    """
    if out.exists() and not (out / "pocket.json").exists() and (not out.is_dir() or any(out.iterdir())):
        raise InvalidConfig(f"out: {out} holds something else than a packed model; choose another folder.")
    require_spellable(out)
    try:
        given = checked(recommended or {})
    except ValueError as error:
        raise InvalidConfig(
            f"recommended: {error}; write it like {{'edit': {{'guidance_scale': 3}}}}."
        ) from None
    vae, words = load_autoencoder(autoencoder), state_hash(load_text_encoder()[1])
    folders: dict[Kind, Path] = {"base": base, "edit": edit}
    parts = {
        kind: load(str(folder), kind=kind, device="cpu", dtype=torch.float32)
        for kind, folder in folders.items()
    }
    for kind, model in parts.items():
        _require_fitting(kind, model, vae, words)
    said = {kind: dict(model.recommends.get(kind, {})) for kind, model in parts.items()}
    facts: dict[str, Any] = {"text_encoder": TEXT_ENCODER, "recommended": given or said}
    if (out / "pocket.json").exists():
        kept = json.loads((out / "pocket.json").read_text(encoding="utf-8"))
        facts |= {name: kept[name] for name in ("instructions", "taught", "phrases") if name in kept}
    facts["autoencoder"] = _training(autoencoder)
    facts |= {kind: _training(folder) for kind, folder in folders.items()}
    try:
        _write(out, facts, vae, parts)
    except OSError as error:
        raise InvalidConfig(
            f"out: {out} cannot be written ({reason_of(error)}); choose another place."
        ) from None
    return facts


def _require_fitting(kind: Kind, model: DiffusionModel, vae: Any, words: str) -> None:
    """Require that a model shares an autoencoder's latents, and the text encoder of the hash `words`.

    Raises:
        InvalidConfig: It does not.
    """
    if encoder_hash(model.vae) != encoder_hash(vae):
        raise InvalidConfig(f"{kind}: it was trained on other latents; train it on this autoencoder's.")
    if state_hash(model.text_encoder) != words:
        raise InvalidConfig(
            f"{kind}: it listens through another text encoder than {TEXT_ENCODER}; train it so."
        )


def _training(folder: Path) -> dict[str, Any]:
    """Read how a model was trained, without where things lay: that says nothing to anybody else."""
    path = find_model(str(folder)) / "training.json"
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for field in ("data", "validation_data", "out", "base", "init", "autoencoder"):
            record["config"].pop(field, None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InvalidConfig(
            f"{folder}: does not say how it was trained; give a folder that `wordbrush train` wrote."
        ) from None
    return record


def _write(out: Path, facts: Mapping[str, Any], vae: Any, parts: Mapping[Kind, DiffusionModel]) -> None:
    with replacing_folder(out) as partial:
        vae.half().save_pretrained(partial / "vae", variant="fp16")
        for kind, model in parts.items():
            model.network.module.half().save_pretrained(partial / kind / NETWORK_FOLDER, variant="fp16")
            model.scheduler.save_pretrained(partial / kind / "scheduler")
        forget_places(partial)
        (partial / "pocket.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        for kept in KEPT:
            if (out / kept).exists():
                shutil.copy(out / kept, partial)
