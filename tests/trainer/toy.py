"""A toy dataset and toy configurations: every task runs in seconds."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dataset_builder.shards.build import build_shards
from dataset_builder.shards.shards import Sample, png_bytes
from dataset_builder.shards.storage import canonical_json
from trainer import AutoencoderConfig, InstructPix2PixConfig, TextToImageConfig
from trainer.loop import train

SIDE = 16
COMMON: dict[str, Any] = {
    "device": "cpu",
    "checkpoint_every": 2,
    "log_every": 1,
    "sample_every": 1000,
    "batch_size": 4,
    "mixed_precision": "no",
}


def draw(number: int, *, pairs: bool, side: int = SIDE) -> Sample:
    """One colour turned into another, in words and pictures."""
    rng = np.random.default_rng(number)
    pictures = [rng.integers(0, 256, (side, side, 3), dtype=np.uint8) for _ in range(2)]
    words = ["red", "blue", "gold"]
    said = {"caption": f"a {words[number % 3]} house", "edit_prompt": f"make it {words[number % 3]}"}
    parts = {"json": canonical_json(said).encode()}
    if pairs:
        parts |= {"original_image.png": png_bytes(pictures[0]), "edited_image.png": png_bytes(pictures[1])}
    else:
        parts |= {"image.png": png_bytes(pictures[0])}
    return Sample(key=f"{number:06d}", parts=parts)


def dataset(folder: Path, *, pairs: bool, num: int = 10, side: int = SIDE) -> Path:
    list(
        build_shards(
            folder,
            config={"toy": num, "pairs": pairs, "side": side},
            draw=partial(draw, pairs=pairs, side=side),
            num=num,
            samples_per_shard=8,
            jobs=1,
        )
    )
    return folder


def shaped(folder: Path) -> Path:
    """Nine pairs in a picture folder: square, wide and upright."""
    folder.mkdir()
    lines = []
    for number in range(9):
        height, width = ((20, 20), (20, 34), (34, 20))[number % 3]
        rng, line = np.random.default_rng(number), {"edit_prompt": f"make it {number}"}
        for column in ("original_image", "edited_image"):
            name = f"{number}.{column}.png"
            (folder / name).write_bytes(png_bytes(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)))
            line[f"{column}_file_name"] = name
        lines.append(canonical_json(line))
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    return folder


def autoencoder_config(root: Path, **fields: Any) -> AutoencoderConfig:
    options = COMMON | {
        "data": root / "scenes",
        "out": root / "autoencoder",
        "steps": 2,
        "learning_rate": 1e-3,
    }
    if "init" not in fields:
        options |= {"block_out_channels": (12, 16), "latent_channels": 4}
    return AutoencoderConfig(**options | fields)


def base_config(root: Path, **fields: Any) -> TextToImageConfig:
    options = COMMON | {
        "data": root / "scenes",
        "out": root / "base",
        "steps": 2,
    }
    if "init" not in fields:
        options |= {
            "autoencoder": root / "autoencoder",
            "block_out_channels": (32, 32),
            "attention_head_dim": 2,
        }
    return TextToImageConfig(**options | fields)


def edit_config(root: Path, **fields: Any) -> InstructPix2PixConfig:
    options = COMMON | {
        "data": root / "pairs",
        "out": root / "edit",
        "steps": 6,
    }
    if not {"init", "base"} & fields.keys():
        options["base"] = str(root / "base" / "model")
    return InstructPix2PixConfig(**options | fields)


def chain(root: Path) -> Path:
    """Train autoencoder and base, so that an edit model can be trained below `root`."""
    dataset(root / "scenes", pairs=False)
    dataset(root / "pairs", pairs=True)
    for config in (autoencoder_config(root), base_config(root)):
        for _ in train(config):
            pass
    return root
