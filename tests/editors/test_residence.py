"""Where a large model's parts lie: on the device, or in main memory until they are called."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from editors import (
    IncompatibleModel,
    InstructionEdit,
    InstructPix2PixEditor,
    InvalidEdit,
    PromptEdit,
    PromptToPromptEditor,
)
from editors.model.devices import device_of, placed
from editors.model.loading import needs as needs_module
from editors.model.loading.load import from_pipeline, load
from editors.model.loading.needs import Needs
from editors.model.residence import MEMORY_USES
from tests import tiny, tiny_klein, tiny_kontext, tiny_sd3
from tests.large_toys import DRAWING, FAMILIES

CPU, CARD = torch.device("cpu"), torch.device("cuda:0")


def needing(device: torch.device, *, apart: int | None = 40, dtype: torch.dtype = torch.bfloat16) -> Needs:
    """A model of 100 bytes, the largest part and the autoencoder of which take fewer."""
    return Needs(
        name="big",
        licence=None,
        num_missing_bytes=0,
        num_bytes=100,
        num_half_bytes=50,
        num_apart_bytes=apart,
        num_int8_bytes=None if apart is None else 30,
        num_bytes_to_int8=None if apart is None else 80,
        device=device,
        dtype=dtype,
        found=Path("big"),
    )


@pytest.mark.parametrize(
    ("here", "card", "memory", "expected"),
    [
        (200, 200, "auto", "full"),
        (200, 60, "auto", "offload"),
        (200, 35, "auto", "int8"),
        (90, 200, "auto", "int8"),
        (200, 200, "full", "full"),
        (200, 200, "offload", "offload"),
        (200, 60, "offload", "offload"),
        (200, 200, "int8", "int8"),
        (80, 30, "int8", "int8"),
        (200, 60, "full", "100 .* 60 .* free on cuda:0; choose offload as memory"),
        (200, 35, "full", "100 .* 35 .* free on cuda:0; choose int8 as memory, with which it takes 30"),
        (90, 200, "full", "100 .* 90 .* free; choose int8 as memory"),
        (200, 35, "offload", "40 .* 35 .* free on cuda:0; choose int8 as memory"),
        (200, 20, "auto", "100 .* 20 .* free on cuda:0; close other programs"),
        (200, 20, "offload", "40 .* 20 .* free on cuda:0; close other programs"),
        (200, 20, "int8", "30 .* in int8, and 20 .* free on cuda:0; close other programs"),
        (79, 200, "int8", "80 .* in int8, and 79 .* free; close other programs"),
        (79, 200, "auto", "100 .* 79 .* free; close other programs"),
        (79, 200, "offload", "100 .* 79 .* free; close other programs"),
    ],
)
def test_parts_lie_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch, here: int, card: int, memory: Any, expected: str
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=here))
    monkeypatch.setattr(psutil, "swap_memory", lambda: SimpleNamespace(free=0))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (card, 1000))
    monkeypatch.setattr(needs_module, "_size", lambda num_bytes: f"{num_bytes} bytes")
    if expected in MEMORY_USES:
        assert needing(CARD).residence(memory) == expected
        said = needing(CARD).said_of(memory)
        assert ("come to cuda:0 one at a time" in said) == (expected == "offload")
        assert ("held in eight bits: 30 bytes in all" in said) == (expected == "int8")
    else:
        with pytest.raises(IncompatibleModel, match=expected):
            needing(CARD).residence(memory)


def test_on_a_processor_eight_bits_are_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=90))
    monkeypatch.setattr(psutil, "swap_memory", lambda: SimpleNamespace(free=0))
    assert needing(CPU).residence("auto") == needing(CPU).residence("int8") == "int8"
    with pytest.raises(IncompatibleModel, match="free; choose int8 as memory"):
        needing(CPU).residence("full")
    with pytest.raises(IncompatibleModel, match="close other programs"):  # of Stable Diffusion's build
        needing(CPU, apart=None).residence("int8")


def test_without_a_card_parts_have_nowhere_to_be_brought() -> None:
    assert needing(CPU).residence("auto") == needing(CPU).residence("full") == "full"
    with pytest.raises(InvalidEdit, match=r"memory: “offload” .* big is computed on cpu; leave it out"):
        needing(CPU).residence("offload")
    assert needing(CPU, apart=None).residence("offload") == "full"  # of Stable Diffusion's build
    with pytest.raises(InvalidEdit, match="memory: 'half' is not allowed"):
        load("pocket", kind="edit", memory="half")  # type: ignore[arg-type]


@pytest.mark.parametrize(("residence", "lies"), [("full", "meta"), ("int8", "meta"), ("offload", "cpu")])
def test_parts_lie_on_the_device_unless_they_wait(
    monkeypatch: pytest.MonkeyPatch, residence: Any, lies: str
) -> None:
    model = from_pipeline(tiny_klein.pipeline())
    monkeypatch.setattr(type(model), "wait_for_calls", lambda self, device: None)
    placed(model, torch.device("meta"), torch.float32, residence)
    assert {one.device.type for part in model.modules for one in part.parameters()} == {lies}


def test_a_part_is_computed_where_it_is_brought_to() -> None:
    module: Any = torch.nn.Linear(2, 2)
    assert device_of(module) == CPU
    module._hf_hook = SimpleNamespace(execution_device="cuda:1")
    assert device_of(module) == torch.device("cuda:1")
    module._hf_hook = SimpleNamespace()
    assert device_of(module) == CPU


def editor_of(name: str, pipe: Any) -> Any:
    if name in DRAWING:
        return PromptToPromptEditor.from_pipeline(pipe, cache_bytes=0)
    return InstructPix2PixEditor.from_pipeline(pipe)


def asked(name: str) -> Any:
    few: dict[str, Any] = {"num_inference_steps": 2, "seed": 3}
    if name in DRAWING:
        return PromptEdit(original_prompt="a cat", edited_prompt="a dog", width=48, height=40, **few)
    return InstructionEdit(
        original_image=tiny.photo((64, 64)), edit_prompt="make it night", resolution=64, **few
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_parts_that_wait_make_the_same_picture_and_send_each_other_back(name: str) -> None:
    """On this device nothing moves; who is called, and who sends whom back, is the same on any."""
    toy = FAMILIES[name]
    expected = editor_of(name, toy.pipeline()).edit(asked(name))
    pipe = toy.pipeline()
    editor = editor_of(name, pipe)
    editor.model.wait_for_calls(CPU)
    network = editor.model.network.module
    assert hasattr(network, "_hf_hook") and not hasattr(pipe.vae, "_hf_hook")
    encoders = [
        module for part, module in pipe.components.items() if part.startswith("text_encoder") and module
    ]
    assert encoders and all(hasattr(encoder, "_hf_hook") for encoder in encoders)
    sends_back = [hook.hook.prev_module_hook for hook in pipe._all_hooks]
    assert [one.model for one in sends_back] == [network, *encoders]
    called: list[Any] = []
    for module in (*encoders, network):
        module.register_forward_pre_hook(lambda module, _: called.append(module))
    result = editor.edit(asked(name))
    assert np.array_equal(np.asarray(result.edited_image), np.asarray(expected.edited_image))
    # Words are read first, and not again: each part is brought to the device once an edit.
    first = next(place for place, module in enumerate(called) if module is network)
    assert first > 0 and all(module is network for module in called[first:])


def test_a_cancelled_edit_leaves_the_model_at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    editor = InstructPix2PixEditor.from_pipeline(tiny_klein.pipeline())
    rested: list[int] = []
    monkeypatch.setattr(type(editor.model), "rest", lambda self: rested.append(1))
    stream = editor.stream(asked("klein"))
    next(stream)
    assert not rested
    stream.close()
    assert rested == [1]
    editor.edit_many([asked("klein")] * 2)
    assert rested == [1, 1]
    assert [place for place, _ in editor.edit_each([asked("klein")] * 2)] == [0, 1]
    assert rested == [1, 1, 1]


def test_what_is_remembered_of_an_original_outlives_the_moves_of_its_parts() -> None:
    editor = PromptToPromptEditor.from_pipeline(tiny_sd3.pipeline())
    editor.model.wait_for_calls(CPU)
    first = editor.edit(asked("sd3"))
    for parameter in editor.model.unet.parameters():  # as a move does
        parameter.data = parameter.data.clone()
    again = editor.edit(asked("sd3"))
    assert (first.num_unet_rows, again.num_unet_rows) == (8, 0)
    with torch.no_grad():
        next(editor.model.unet.parameters()).mul_(1.01)
    assert editor.edit(asked("sd3")).num_unet_rows == 8


def test_a_pipeline_whose_parts_wait_is_taken_as_it_is() -> None:
    pipe = tiny_kontext.pipeline()
    pipe.enable_model_cpu_offload(device=CPU)
    result = InstructPix2PixEditor.from_pipeline(pipe).edit(asked("kontext"))
    expected = InstructPix2PixEditor.from_pipeline(tiny_kontext.pipeline()).edit(asked("kontext"))
    assert np.array_equal(np.asarray(result.edited_image), np.asarray(expected.edited_image))
    from_pipeline(tiny.pipeline(kind="edit")).rest()  # nothing waits


@pytest.mark.gpu
@pytest.mark.parametrize("name", FAMILIES)
def test_on_a_card_parts_come_and_go(name: str, tmp_path: Any) -> None:
    toy = FAMILIES[name]
    folder, kind = str(toy.folder(tmp_path)), "base" if name in DRAWING else "edit"
    of: Any = PromptToPromptEditor if name in DRAWING else InstructPix2PixEditor
    whole, waiting = (
        of(load(folder, kind=kind, device="cuda", dtype=torch.float32, memory=memory))  # type: ignore[arg-type]
        for memory in ("full", "offload")
    )
    ours, theirs = (
        np.asarray(editor.edit(asked(name)).edited_image).astype(int) for editor in (waiting, whole)
    )
    assert np.abs(ours - theirs).max() <= 1
    assert {one.device.type for one in waiting.model.unet.parameters()} == {"cpu"}
    assert {one.device.type for one in waiting.model.vae.parameters()} == {"cuda"}
