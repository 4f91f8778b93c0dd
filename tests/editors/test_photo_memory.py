"""Law: what is remembered of a photo is what would be computed again, and it is computed once."""

from collections import Counter
from typing import Any

import pytest

from editors import InstructionEdit, InstructPix2PixEditor
from editors.model.photo import Photo
from editors.model.photo_memory import REMEMBERED, PhotoMemory
from tests import tiny


def edit(photo: int = 0, **options: Any) -> InstructionEdit:
    asked: dict[str, Any] = {"edit_prompt": "make it night", "seed": 3, "num_inference_steps": 2, **options}
    return InstructionEdit(original_image=tiny.photo((40, 32), seed=photo), **asked)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Pictures that went through the autoencoder, by direction."""
    counted: Counter[str] = Counter()
    model = type(InstructPix2PixEditor.from_pipeline(tiny.pipeline()).model)
    for name in ("encode_image", "decode_unscaled"):
        own = getattr(model, name)

        def watched(self: Any, tensor: Any, own: Any = own, name: str = name) -> Any:
            counted[name] += len(tensor)
            return own(self, tensor)

        monkeypatch.setattr(model, name, watched)
    return counted


def test_a_photo_goes_through_the_autoencoder_once_for_all_its_edits(calls: Counter[str]) -> None:
    editor = InstructPix2PixEditor.from_pipeline(tiny.pipeline())
    editor.edit_many([edit(seed=seed) for seed in range(3)])
    editor.edit(edit(edit_prompt="add snow"))
    assert calls == {"encode_image": 1, "decode_unscaled": 4 + 1}  # each edit, and the photo as it is redrawn


def test_what_was_asked_before_and_with_it_changes_no_bit() -> None:
    photos = [Photo.read(tiny.photo((40, 32), seed=seed), tiny_model()) for seed in range(3)]
    model = tiny_model()
    alone = [PhotoMemory(model).latents([photo])[0] for photo in photos]
    together = PhotoMemory(model)
    for order in ([0, 1, 2], [2, 2, 0], [1]):
        for row, place in zip(together.latents([photos[place] for place in order]), order, strict=True):
            assert row.equal(alone[place])
            assert (
                together.redrawn(photos[place], row)
                == PhotoMemory(model).redrawn(photos[place], alone[place])
            ).all()


def test_few_photos_are_remembered_and_the_forgotten_ones_are_as_they_were(calls: Counter[str]) -> None:
    model = tiny_model()
    memory = PhotoMemory(model)
    photos = [Photo.read(tiny.photo((40, 32), seed=seed), model) for seed in range(REMEMBERED + 1)]
    latents = memory.latents(photos)
    again = memory.latents(photos[1:])
    assert calls["encode_image"] == REMEMBERED + 1 and again.equal(latents[1:])
    redrawn = memory.redrawn(photos[0], latents[0])
    assert calls["encode_image"] == REMEMBERED + 1  # it was forgotten, and need not be encoded to be redrawn
    assert memory.latents(photos[:1])[0].equal(latents[0]) and calls["encode_image"] == REMEMBERED + 2
    assert (memory.redrawn(photos[0], latents[0]) == redrawn).all()


def test_nobody_writes_to_what_is_remembered() -> None:
    model = tiny_model()
    photo = Photo.read(tiny.photo((40, 32)), model)
    memory = PhotoMemory(model)
    with pytest.raises(ValueError, match="read-only"):
        memory.redrawn(photo, memory.latents([photo])[0])[0] = 0


def tiny_model() -> Any:
    return InstructPix2PixEditor.from_pipeline(tiny.pipeline()).model
