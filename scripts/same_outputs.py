#!/usr/bin/env python
"""Which outputs of this checkout differ, bit for bit, from those of an earlier commit, on this machine.

    scripts/same_outputs.py REV             # minutes; exit code 1 where anything differs
    scripts/same_outputs.py REV --only edits,scenes

For a change that is to move code and nothing else. Both sides are asked the same through what users call:
both editors on toys of four families and on pocket, drawn scenes and pairs, toy trainings, and a job from
its captions to its kept pairs. Nothing is stored: hashes of floats hold on one machine and one version of
torch alone.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
Hashes = Iterator[tuple[str, str]]
"""(what it is, its hash), one after another."""


def hashed(*parts: bytes) -> str:
    """Return one hash over some bytes."""
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def pixels(result: Any) -> str:
    """Return the hash of both pictures of an edit."""
    pictures = (result.original_image, result.edited_image)
    return hashed(*(part for one in pictures for part in (str(one.size).encode(), one.tobytes())))


def toys() -> Any:
    """Return the toy models of this checkout's tests, for both sides."""
    spec = importlib.util.spec_from_file_location("tiny", HERE.parents[1] / "tests" / "tiny.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


INVERSIONS: tuple[Any, ...] = ("direct", "ddim", "negative_prompt", "null_text", "edit_friendly")
FAMILIES: dict[str, dict[str, Any]] = {
    "sd1": {"text": "clip", "prediction": "epsilon"},
    "sd2": {"text": "clip", "prediction": "v_prediction"},
    "xl": {"text": "xl", "prediction": "epsilon"},
    "bert": {"text": "bert", "prediction": "sample"},
}


def instruction_edits(tiny: Any) -> Hashes:
    """Edit by instructions: every family, scales that drop branches, masks, sizes, schedulers, batches."""
    from PIL import Image

    from editors import InstructionEdit, InstructPix2PixEditor

    photo, odd = tiny.photo((48, 32)), tiny.photo((61, 83), seed=1)
    mask = Image.new("L", photo.size)
    mask.paste(255, (0, 0, 20, 32))
    one = InstructionEdit(original_image=photo, edit_prompt="make it night", seed=3, num_inference_steps=4)
    asked = {
        "plain": one,
        "picture-0": replace(one, image_guidance_scale=0.0),
        "words-1": replace(one, guidance_scale=1.0, image_guidance_scale=1.0),
        "words-0": replace(one, guidance_scale=0.0),
        "masked": replace(one, mask=mask),
        "odd": replace(one, original_image=odd),
        "enlarged": replace(one, original_image=odd, full_size="resize"),
    }
    editors = {
        name: InstructPix2PixEditor.from_pipeline(tiny.pipeline(kind="edit", **family))
        for name, family in FAMILIES.items()
    }
    for scheduler in ("pndm", "euler-a", "dpm++2m"):
        editors[scheduler] = InstructPix2PixEditor.from_pipeline(
            tiny.pipeline(kind="edit", scheduler=scheduler)
        )
    editors["pocket"] = InstructPix2PixEditor.from_pretrained("pocket", device="cpu")
    for name, editor in editors.items():
        for what, edit in asked.items():
            yield f"instruction/{name}/{what}", pixels(editor.edit(edit))
        many = editor.edit_many([one, replace(one, seed=4), replace(one, edit_prompt="add a dog")])
        yield f"instruction/{name}/batch", hashed(*(pixels(result).encode() for result in many))


def prompt_edits(tiny: Any) -> Hashes:
    """Edit by prompts: every control and inversion, alone, again, and together."""
    from PIL import Image

    from editors import LocalBlend, PromptEdit, PromptToPromptEditor

    photo = tiny.photo((40, 32))
    mask = Image.new("L", photo.size)
    mask.paste(255, (0, 0, 20, 32))
    one = PromptEdit(
        original_prompt="a cat in the snow", edited_prompt="a dog in the snow", seed=3, num_inference_steps=6
    )
    blend = LocalBlend(original=("cat",), edited=("dog",))
    asked: dict[str, PromptEdit] = {
        "replace": one,
        "tokens": replace(one, edited_prompt="a zebra in the snow", operation="replace"),
        "refine": replace(one, edited_prompt="a red cat in the snow", operation="refine"),
        "reweight": replace(one, edited_prompt=one.original_prompt, word_weights={"snow": 2.0}),
        "windows": replace(
            one, cross_replace_steps={"dog": 0.3, "default": 0.8}, self_replace_steps=(0.2, 0.7)
        ),
        "none": replace(one, cross_replace_steps=0.0, self_replace_steps=0.0),
        "recipe": replace(one, recipe="instruct_pix2pix"),
        "blend": replace(one, local_blend=blend),
        "maps": replace(one, heat_maps=True),
        "unguided": replace(one, guidance_scale=1.0),
        "same": replace(one, edited_prompt=one.original_prompt),
        **{name: replace(one, original_image=photo, inversion=name) for name in INVERSIONS},
        "masked": replace(one, original_image=photo, mask=mask),
    }
    pipes = {name: tiny.pipeline(kind="base", **family) for name, family in FAMILIES.items()}
    editors = {name: PromptToPromptEditor.from_pipeline(pipe) for name, pipe in pipes.items()}
    for scheduler in ("pndm", "euler-a"):
        pipe = tiny.pipeline(kind="base", scheduler=scheduler)
        editors[scheduler] = PromptToPromptEditor.from_pipeline(pipe)
    editors["pocket"] = PromptToPromptEditor.from_pretrained("pocket", device="cpu")
    for name, editor in editors.items():
        able = {
            what: edit
            for what, edit in asked.items()
            if name not in ("pndm", "euler-a") or edit.original_image is None
        }
        for what, edit in able.items():
            result = editor.edit(edit)
            yield f"prompt/{name}/{what}", hashed(pixels(result).encode(), str(result.num_unet_rows).encode())
        yield f"prompt/{name}/again", pixels(editor.edit(one))
        many = editor.edit_many([edit for edit in able.values() if edit.original_image is None])
        yield f"prompt/{name}/batch", hashed(*(pixels(result).encode() for result in many))


def drawn_scenes(_: Any) -> Hashes:
    """Draw scenes and exact pairs."""
    from dataset_builder import scenes

    for name in ("offline", "pocket"):
        world = scenes.WORLDS[name]
        for seed in range(50):
            scene = scenes.sample_scene(seed, world=world, split="train")
            yield (
                f"scene/{name}/{seed}",
                hashed(scenes.caption(scene).encode(), scenes.render_scene(scene, 64).image.tobytes()),
            )
            edit = scenes.planned_edit(seed, world=world, split="train")
            if edit is not None:
                pair = scenes.render_edit(edit, 48)
                yield f"pair/{name}/{seed}", hashed(edit.edit_prompt.encode(), pair.edited_image.tobytes())


def files_of(folder: Path, suffixes: tuple[str, ...]) -> Hashes:
    """Hash the files of a folder that hold results."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in suffixes:
            yield str(path.relative_to(folder)), hashed(path.read_bytes())


def wordbrush(*arguments: str) -> None:
    """Run a command of the side that is asked."""
    done = subprocess.run([sys.executable, "-m", "ui.cli", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"wordbrush {' '.join(arguments)}: {done.stderr}")


def trainings(_: Any) -> Hashes:
    """Train each model for a few steps on drawn data; its weights are hashed."""
    from safetensors.torch import load_file

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drawing = ("data", "scenes", "--world", "offline", "--num", "24", "--size", "64", "--jobs", "1")
        wordbrush(*drawing, "--out", str(folder / "scenes"))
        wordbrush(*drawing, "--pairs", "--out", str(folder / "pairs"))
        few = (
            "--steps",
            "3",
            "--batch-size",
            "4",
            "--device",
            "cpu",
            "--mixed-precision",
            "no",
            "--log-every",
            "1",
        )
        for task, data, more in (
            ("text-to-image", "scenes", ("--init", "pocket")),
            ("instruct-pix2pix", "pairs", ("--base", "pocket", "--crops", "2")),
            ("instruct-pix2pix", "pairs", ("--init", "pocket", "--lora-rank", "4")),
            ("autoencoder", "scenes", ()),
            ("text-image", "scenes", ()),
        ):
            run = folder / f"{task}{'-lora' if '--lora-rank' in more else ''}"
            wordbrush("train", task, str(folder / data), "--out", str(run), *few, *more)
            for path in sorted((run / "model").rglob("*.safetensors")):
                tensors = load_file(path)
                parts = [tensors[key].contiguous().view(-1).numpy().tobytes() for key in sorted(tensors)]
                yield f"train/{run.name}/{path.relative_to(run / 'model')}", hashed(*parts)


def job(_: Any) -> Hashes:
    """Write, render and filter a small dataset with pocket; shards are hashed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "job.toml").write_text(
            '[write]\nworld = "pocket"\nnum = 6\n[render]\nsources = 1\nsamples_per_source = 4\n'
            "num_inference_steps = 6\ntriplets_per_shard = 3\n[filter]\nkeep = 2\n", encoding="utf-8"
        )  # fmt: skip
        wordbrush(
            "data", "build", "--config", str(folder / "job.toml"), "--out", str(folder / "out"), "--jobs", "1"
        )
        for path, digest in files_of(folder / "out", (".tar", ".jsonl")):
            yield f"job/{path}", digest


PARTS: dict[str, Callable[[Any], Hashes]] = {
    "edits": instruction_edits,
    "prompts": prompt_edits,
    "scenes": drawn_scenes,
    "trainings": trainings,
    "job": job,
}


def outputs(only: list[str]) -> dict[str, str]:
    """Compute the hashes of the checkout whose packages are importable here."""
    import torch

    torch.set_num_threads(1)
    tiny = toys()
    return {name: digest for part in only for name, digest in PARTS[part](tiny)}


def outputs_of(checkout: Path, only: list[str]) -> dict[str, str]:
    """Compute the hashes of a checkout, in a process of its own."""
    environment = os.environ | {
        "PYTHONPATH": str(checkout),
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    done = subprocess.run(
        [sys.executable, str(HERE), "--print", "--only", ",".join(only)],
        cwd=checkout, env=environment, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    result: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> int:
    """Compare, and say what differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rev", nargs="?", help="the commit to compare with")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, of: " + ", ".join(PARTS))
    parser.add_argument(
        "--print", action="store_true", help="print this checkout's hashes as JSON, and no more"
    )
    asked = parser.parse_args()
    only = asked.only.split(",")
    if unknown := set(only) - set(PARTS):
        parser.error(f"--only: there is no {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    if asked.print:
        print(json.dumps(outputs(only)))
        return 0
    if not asked.rev:
        parser.error("name a commit to compare with, for example HEAD")
    root = HERE.parents[1]
    archive = subprocess.run(["git", "archive", asked.rev], cwd=root, capture_output=True, check=True).stdout
    with tempfile.TemporaryDirectory() as name:
        with tarfile.open(fileobj=BytesIO(archive)) as files:
            files.extractall(name, filter="data")
        before, now = outputs_of(Path(name), only), outputs_of(root, only)
    differing = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    for key in differing:
        print(f"{key}: {before.get(key, 'absent')} -> {now.get(key, 'absent')}")
    print(f"{len(now) - len(differing)} of {len(before)} outputs are those of {asked.rev}, bit for bit.")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
