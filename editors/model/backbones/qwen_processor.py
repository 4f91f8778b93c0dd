"""What a vision-language model of the Qwen family is given of prompts and pictures.

transformers' own processor does the same and reads videos besides, for which it asks for one more package.

Law: it gives, bit for bit, what transformers' Qwen3VLProcessor gives of prompts with one picture each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from PIL import Image

PICTURE: Final = "<|image_pad|>"
"""The token that stands for a part of a picture."""


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
        images: Sequence[Image.Image],
        padding: bool = True,
        return_tensors: str = "pt",
    ) -> Any:
        """Turn prompts, in each of which one token stands for the picture, into the model's inputs."""
        from transformers import BatchFeature

        seen = self.image_processor(images=list(images), return_tensors=return_tensors)
        parts = seen["image_grid_thw"].prod(-1) // self.image_processor.merge_size**2
        told = [
            prompt.replace(PICTURE, PICTURE * int(number), 1)
            for prompt, number in zip(text, parts, strict=True)
        ]
        tokens = self.tokenizer(told, padding=padding, return_tensors=return_tensors)
        is_picture = tokens["input_ids"] == self.tokenizer.convert_tokens_to_ids(PICTURE)
        return BatchFeature({**tokens, "mm_token_type_ids": is_picture.long(), **seen})
