"""What a vision-language model of the Qwen family is given of prompts and pictures.

transformers' own processors do the same and read videos besides, for which they ask for one more package.

Laws: it gives, bit for bit, what transformers' Qwen2VLProcessor and Qwen3VLProcessor give of prompts with any
number of pictures. A model is told where a prompt's pictures lie.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import torch
from PIL import Image

PICTURE: Final = "<|image_pad|>"
"""The token that stands for a part of a picture."""
_KINDS: Final = "mm_token_type_ids"
"""How transformers calls what says of each token whether it stands for a word, 0, or for a picture, 1."""


@dataclass(frozen=True, slots=True)
class QwenProcessor:
    """A tokenizer and an image processor, as one.

    Attributes:
        image_processor: A Qwen2VLImageProcessor of transformers.
        tokenizer: The model's.
    """

    image_processor: Any
    tokenizer: Any

    def __call__(
        self,
        *,
        text: Sequence[str],
        images: Image.Image | Sequence[Image.Image] | None = None,
        padding: bool = True,
        return_tensors: str = "pt",
    ) -> Any:
        """Turn prompts, in each of which one token stands for each picture, into the model's inputs."""
        from transformers import BatchFeature

        seen, sizes = {}, iter(())
        if images:
            shown = [images] if isinstance(images, Image.Image) else list(images)
            seen = self.image_processor(images=shown, return_tensors=return_tensors)
            sizes = iter(seen["image_grid_thw"].prod(-1) // self.image_processor.merge_size**2)
        told = [re.sub(re.escape(PICTURE), lambda _: PICTURE * int(next(sizes)), prompt) for prompt in text]
        tokens = self.tokenizer(told, padding=padding, return_tensors=return_tensors)
        is_picture = tokens["input_ids"] == self.tokenizer.convert_tokens_to_ids(PICTURE)
        return BatchFeature({**tokens, _KINDS: is_picture.long(), **seen})


@contextmanager
def told_where_pictures_lie(text_encoder: Any) -> Iterator[None]:
    """Let a Qwen2.5-VL place the parts of pictures on their rows and columns, as it was taught to.

    transformers 5 asks which tokens are parts of pictures and without an answer lays them out as words, in a
    line; pipelines that were written before do not answer (diffusers issue 14194).
    """

    def tell(module: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        ids = named["input_ids"]
        where: torch.Tensor = ids == module.config.image_token_id
        return arguments, {_KINDS: where.long(), **named}

    handle = text_encoder.register_forward_pre_hook(tell, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
