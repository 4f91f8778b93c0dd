"""What a request leaves open is the model's, then what its kind is commonly used with; nothing else."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import pytest
from PIL import Image

from editors import InstructionEdit, PromptEdit
from editors.requests.edits import Edit
from editors.requests.request import Request
from editors.requests.settings import STANDARD, Settings, checked, recommended_settings, resolve

INSTRUCTION = InstructionEdit(original_image=Image.new("RGB", (32, 32)), edit_prompt="make it night")
PROMPTS = PromptEdit(original_prompt="a cat", edited_prompt="a dog")
SUITS = Settings(
    num_inference_steps=12,
    guidance_scale=3.0,
    image_guidance_scale=1.25,
    cross_replace_steps=(0.1, 0.4),
    self_replace_steps=0.2,
)


@dataclass(frozen=True)
class Model:
    """Says what it is best used with."""

    recommended: Settings = SUITS


@pytest.mark.parametrize("request_", [INSTRUCTION, PROMPTS], ids=["instruction", "prompts"])
def test_every_number_is_the_requests_then_the_models(request_: Edit) -> None:
    names = {item.name for item in fields(Settings)} & {item.name for item in fields(request_)}
    assert names >= {"num_inference_steps", "guidance_scale"}
    open_ = resolve(request_, Model())
    assert open_.settings == SUITS
    for name in names:
        one: dict[str, Any] = {name: 1}
        own = replace(request_, **one)
        resolved = resolve(own, Model())
        assert getattr(resolved.edit, name) == getattr(resolved.settings, name) == 1
        assert asdict(replace(resolved.settings, **{name: getattr(SUITS, name)})) == asdict(SUITS)


@pytest.mark.parametrize("request_", [INSTRUCTION, PROMPTS], ids=["instruction", "prompts"])
def test_a_resolved_request_is_itself_for_every_model(request_: Edit) -> None:
    resolved = resolve(request_, Model())
    again = resolve(resolved.edit, Model(STANDARD["base"]))
    assert again.edit == resolved.edit and again.seed == resolved.seed == resolved.edit.seed


def test_seeds_are_drawn_where_none_is_named() -> None:
    drawn = {resolve(PROMPTS, Model()).seed for _ in range(4)}
    assert len(drawn) > 1
    assert resolve(replace(PROMPTS, seed=5), Model()).seed == 5


def test_a_family_that_says_nothing_gets_the_standard() -> None:
    assert recommended_settings("base", {}) == STANDARD["base"]
    told = recommended_settings("edit", checked({"edit": {"num_inference_steps": 8}}))
    assert told == replace(STANDARD["edit"], num_inference_steps=8)


@pytest.mark.parametrize("kind", [InstructionEdit, PromptEdit])
def test_no_setting_of_a_request_has_a_default_of_its_own(kind: type[Request]) -> None:
    """A default in the request would win over the model's recommendation."""
    named = {item.name for item in fields(Settings)}
    assert all(item.default is None for item in fields(kind) if item.name in named)
