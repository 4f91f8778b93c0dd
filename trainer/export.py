"""What training leaves behind: folders that diffusers, the editors and other people's tools load.

Law: an exported folder opens in a bare diffusers pipeline and gives the application's picture: same
weights, same text window, same scheduler.
"""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path
from typing import Any

from editors.models import DiffusionModel


def write_pipeline(folder: Path, model: DiffusionModel, pipeline_class: Any, card: dict[str, Any]) -> None:
    """Write a diffusers pipeline folder, whole or not at all.

    Args:
        folder: Where to; an older one is replaced.
        model: Whose parts are written.
        pipeline_class: Of diffusers, for `model_index.json`.
        card: How the model came about, as plain values.
    """
    partial = folder.with_name(f"{folder.name}.tmp-{uuid.uuid4().hex}")
    pipeline = pipeline_class(
        vae=model.vae,
        text_encoder=model.text_encoder,
        tokenizer=model.tokenizer,
        unet=model.unet,
        scheduler=model.scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(partial)
    (partial / "training.json").write_text(json.dumps(card, indent=1))
    if folder.exists():
        shutil.rmtree(folder)
    partial.rename(folder)
