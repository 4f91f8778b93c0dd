"""The choice of arithmetic: by measurement, once a machine, and float32 unless another is clearly faster."""

import json
from typing import Any

import numpy as np
import pytest
import torch

from editors import InstructionEdit, InstructPix2PixEditor, InvalidEdit, PromptEdit, PromptToPromptEditor
from editors.model import arithmetic, devices
from editors.model.arithmetic import Arithmetic, fastest_on_cpu, measured
from editors.requests.recipe import record
from evaluation.figures import psnr
from tests import tiny

FLOAT, BFLOAT = "float32", "bfloat16"


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({(FLOAT, False): 1.0, (FLOAT, True): 1.0}, (torch.float32, False, 1.0)),
        ({(FLOAT, False): 1.0, (FLOAT, True): 0.98}, (torch.float32, False, 1.0)),
        ({(FLOAT, False): 1.0, (FLOAT, True): 0.5}, (torch.float32, True, 2.0)),
        ({(FLOAT, False): 1.0, (FLOAT, True): 2.0, (BFLOAT, False): 0.9, (BFLOAT, True): 0.9}, None),
        (
            {(FLOAT, False): 1.0, (FLOAT, True): 0.8, (BFLOAT, False): 0.5, (BFLOAT, True): 0.25},
            (torch.bfloat16, True, 4.0),
        ),
        (
            {(FLOAT, False): 1.0, (FLOAT, True): 0.8, (BFLOAT, False): 50.0, (BFLOAT, True): 0.7},
            (torch.float32, True, 1.25),
        ),
    ],
)
def test_float32_stays_unless_another_is_clearly_faster(seconds, chosen):
    assert Arithmetic.best(seconds) == Arithmetic(*(chosen or (torch.float32, False, 1.0)))


def test_what_was_measured_is_read_again_and_belongs_to_the_machine(tmp_path, monkeypatch):
    calls = []

    def measure(channels, side):
        calls.append((channels, side))
        return {(FLOAT, False): 1.0, (FLOAT, True): 0.5}

    monkeypatch.setattr(arithmetic, "measured", measure)
    first = fastest_on_cpu(320, 96, folder=tmp_path / "new")
    assert fastest_on_cpu(320, 64, folder=tmp_path / "new") == first == Arithmetic(torch.float32, True, 2.0)
    assert calls == [(320, 64)]  # larger networks are timed at that
    fastest_on_cpu(64, 16, folder=tmp_path / "new")
    monkeypatch.setattr(torch, "__version__", "99")
    fastest_on_cpu(320, 64, folder=tmp_path / "new")
    assert calls == [(320, 64), (64, 16), (320, 64)]
    assert len(json.loads((tmp_path / "new" / "arithmetic.json").read_text())) == 3


@pytest.mark.parametrize("content", ["", "[]", '{"a": 3}', '{"a": [[1]]}', "\0", None])
def test_a_cache_that_cannot_be_read_or_written_is_measured_again(tmp_path, monkeypatch, content):
    monkeypatch.setattr(arithmetic, "measured", lambda *_: {(FLOAT, False): 1.0, (FLOAT, True): 0.5})
    place = tmp_path / "arithmetic.json"
    if content is None:
        place.mkdir()
    else:
        place.write_text(content)
    assert fastest_on_cpu(8, 8, folder=tmp_path).channels_last


def test_what_is_emulated_is_not_timed_at_full_size(monkeypatch):
    timed = []

    def time(dtype, channels, side, *, last=False):
        timed.append((dtype, channels))
        return 100.0 if dtype == torch.bfloat16 else 1.0

    monkeypatch.setattr(arithmetic, "_time", time)
    assert set(measured(320, 64)) == {(FLOAT, False), (FLOAT, True)}
    assert all(channels < 320 for dtype, channels in timed if dtype == torch.bfloat16)


def test_a_format_that_is_emulated_is_a_sentence_with_how_slow_it_is(monkeypatch):
    monkeypatch.setattr(devices, "slowness", lambda name: 37.2)
    with pytest.raises(
        InvalidEdit, match=r"dtype: .*bfloat16, which takes 37 times .* choose float32 or auto"
    ):
        InstructPix2PixEditor.from_pretrained("pocket", device="cpu", dtype="bfloat16")
    for wrong in ("half", torch.float64, 3):
        with pytest.raises(InvalidEdit, match="choose from auto, float32, bfloat16, float16"):
            InstructPix2PixEditor.from_pretrained("pocket", device="cpu", dtype=wrong)  # type: ignore[arg-type]


def near(one, other):
    return psnr(np.asarray(one), np.asarray(other))


def chosen(monkeypatch, **options):
    monkeypatch.setattr(devices, "fastest_on_cpu", lambda channels, side: Arithmetic(**options))


@pytest.mark.parametrize(
    "options", [{"dtype": torch.bfloat16}, {"dtype": torch.bfloat16, "channels_last": True}]
)
def test_auto_is_within_40_db_of_float32_for_both_editors(monkeypatch, options):
    chosen(monkeypatch, **options)
    picture = tiny.photo((64, 64))
    # Where the format is emulated, each step takes seconds.
    few: dict[str, Any] = {"num_inference_steps": 1, "seed": 7}
    edit = InstructionEdit(original_image=picture, edit_prompt="make it night", **few)
    exact, fast = (
        InstructPix2PixEditor.from_pretrained("pocket", device="cpu", dtype=dtype).edit(edit)
        for dtype in (None, "auto")
    )
    assert near(exact.edited_image, fast.edited_image) >= 40
    assert (exact.dtype, fast.dtype) == ("float32", "bfloat16") and record(fast)["dtype"] == "bfloat16"
    pair = PromptEdit(original_prompt="a cat in a meadow", edited_prompt="a dog in a meadow", **few)
    exact, fast = (
        PromptToPromptEditor.from_pretrained("pocket", device="cpu", dtype=dtype).edit(pair)
        for dtype in ("float32", "auto")
    )
    assert near(exact.edited_image, fast.edited_image) >= 40
    assert exact.original_image is not None and fast.original_image is not None
    assert near(exact.original_image, fast.original_image) >= 40


def test_channels_last_are_exact_to_rounding(monkeypatch):
    chosen(monkeypatch, channels_last=True)
    edit = InstructionEdit(original_image=tiny.photo((128, 128)), edit_prompt="make it night", seed=7)
    exact, fast = (
        InstructPix2PixEditor.from_pretrained("pocket", device="cpu", dtype=dtype) for dtype in (None, "auto")
    )
    weights = next(one for one in fast.model.unet.parameters() if one.ndim == 4 and one.shape[-1] == 3)
    assert weights.is_contiguous(memory_format=torch.channels_last)
    ours, theirs = ([step.latents for step in editor.stream(edit)] for editor in (fast, exact))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def test_only_the_network_is_computed_in_fewer_digits_by_itself(monkeypatch):
    chosen(monkeypatch, dtype=torch.bfloat16)
    model = InstructPix2PixEditor.from_pretrained("pocket", device="cpu", dtype="auto").model
    assert model.dtype_name == "bfloat16"
    assert model.vae.dtype == torch.float32
    assert {next(one.parameters()).dtype for one in model.text.text_encoders} == {torch.float32}


def test_the_machines_own_choice_is_one_that_can_be_measured(tmp_path):
    seconds = measured(16, 8)
    assert {name for name, _ in seconds} <= {FLOAT, BFLOAT} and all(took > 0 for took in seconds.values())
    one, other = (fastest_on_cpu(16, 8, folder=tmp_path) for _ in range(2))
    assert one == other
