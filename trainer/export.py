"""Exports of training: folders that diffusers, the editors and other people's tools load.

Law: an exported folder opens in a bare diffusers pipeline and gives the application's picture: same
weights, same text window, same scheduler; and it says which guidance suits it.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from editors.files import replacing_folder
from editors.model.diffusion_model import DiffusionModel
from editors.model.loading.layout import RECOMMENDED_KEY, quiet


def write_pipeline(
    folder: Path,
    model: DiffusionModel,
    pipeline_class: Any,
    card: dict[str, Any],
    *,
    lora: Mapping[str, Tensor] | None = None,
) -> None:
    """Write a diffusers pipeline folder, whole or not at all.

    Args:
        folder: Where to; an older one is replaced.
        model: Whose parts are written.
        pipeline_class: Of diffusers, for `model_index.json`.
        card: How the model came about, as plain values.
        lora: What of its weights is products that were learnt, by peft's names, to be written beside it.
    """
    pipeline = pipeline_class(
        **model.pipeline_parts(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    with replacing_folder(folder) as partial, quiet():
        pipeline.save_pretrained(partial)
        if lora is not None:
            pipeline.save_lora_weights(partial, unet_lora_layers=dict(lora))
        forget_places(partial)
        _recommend(partial / "model_index.json", model)
        (partial / "training.json").write_text(json.dumps(card, indent=1))
        (partial / "README.md").write_text(model_card(card, pipeline_class.__name__), encoding="utf-8")


def forget_places(model: Path) -> None:
    """Leave out of the configurations of a model's parts the folders that they were loaded from."""
    for config in model.rglob("config.json"):
        fields = json.loads(config.read_text(encoding="utf-8"))
        fields.pop("_name_or_path", None)
        config.write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _recommend(index: Path, model: DiffusionModel) -> None:
    """Say in a folder's index which settings suit the model: who uses it need not be told."""
    names = ("guidance_scale", *(("image_guidance_scale",) if model.kind == "edit" else ()))
    used = {name: getattr(model.recommended, name) for name in names}
    own = {**used, **model.recommends.get(model.kind, {})}
    # What forecasts cost was measured for other weights; and diffusers' pipelines compute every step.
    own.pop("forecast", None)
    facts = json.loads(index.read_text(encoding="utf-8"))
    facts[RECOMMENDED_KEY] = {**model.recommends, model.kind: own}
    index.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def model_card(card: Mapping[str, Any], pipeline: str) -> str:
    """Return the text people read first: what the model is, from what and how it came about.

    What only a person can know, licences above all, is asked for in so many words.

    Args:
        card: How the model came about: `config`, `fingerprint`, `samples`, `seconds`, and `data` where told.
        pipeline: Name of the diffusers pipeline that opens the folder.
    """
    config, data = dict(card.get("config", {})), card.get("data", {})
    task = config.pop("task", "")
    flags = " ".join(
        f"--{name.replace('_', '-')} {shlex.quote(_shown(name, value))}"
        for name, value in config.items()
        if name not in ("data", "out") and value is not None and not isinstance(value, bool)
    )
    switches = "".join(
        f" --{'' if value else 'no-'}{name.replace('_', '-')}"
        for name, value in config.items()
        if isinstance(value, bool)
    )
    skipped = ", ".join(f"{count} {reason}" for reason, count in data.get("skipped", {}).items()) or "none"
    lines = [
        "---",
        "library_name: diffusers",
        "pipeline_tag: image-to-image" if task == "instruct-pix2pix" else "pipeline_tag: text-to-image",
        "---",
        f"# {task}",
        "",
        f"Opens in `diffusers.{pipeline}.from_pretrained(FOLDER)`, and in `wordbrush` by its folder.",
        "The weights are the moving average of the trained ones.",
        "",
        "## Data",
        f"- read as: {data.get('form', 'a dataset of wordbrush')}",
        f"- samples: {data.get('pairs', 'see training.json')}; rows skipped: {skipped}",
        f"- hash: `{card.get('fingerprint', {}).get('data', '')}`",
        "",
        "## Recipe",
        f"{card.get('samples', 0)} samples seen in {config.get('steps', 0)} steps, "
        f"{card.get('seconds', 0)} seconds.",
        "```",
        f"wordbrush train {task} DATA --out RUN {flags}{switches}",
        "```",
        "",
        "## Licences",
        "To be filled in by who publishes it: the licence of the data, that of the base model, and that of",
        "these weights.",
        "",
    ]
    return "\n".join(lines)


def _shown(name: str, value: Any) -> str:
    """Return a value as the command line takes it; where things lay here says nothing to anybody else."""
    if name in ("base", "init", "autoencoder", "validation_data") and Path(value).is_dir():
        return name.upper()
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
