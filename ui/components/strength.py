"""Strengths of an edit: one notch stronger or weaker, and the grid around one.

Reference: Tim Brooks, Aleksander Holynski, Alexei A. Efros, "InstructPix2Pix: Learning to Follow Image
Editing Instructions" (2023, arXiv 2211.09800), §3.2.1: the two scales trade following the instruction (s_T)
against keeping the picture (s_I).

Law: a notch up and a notch down lead back, to the rounding of the sliders.
"""

from typing import NamedTuple

TEXT_NOTCH, IMAGE_NOTCH = 1.25, 1.1
TEXT_LADDER, IMAGE_LADDER = (0.6, 1.0, 1.6), (0.8, 1.0, 1.25)


class Strength(NamedTuple):
    """The two scales of dual guidance."""

    guidance_scale: float
    image_guidance_scale: float

    def stronger(self) -> "Strength":
        """Return it one notch up: the words count for more, the picture for less."""
        return _rounded(self.guidance_scale * TEXT_NOTCH, self.image_guidance_scale / IMAGE_NOTCH)

    def weaker(self) -> "Strength":
        """Return it one notch down."""
        return _rounded(self.guidance_scale / TEXT_NOTCH, self.image_guidance_scale * IMAGE_NOTCH)

    def around(self) -> list["Strength"]:
        """Return the 3 × 3 grid with this in its middle, row by row: rows follow more, columns keep more."""
        return [
            _rounded(self.guidance_scale * text, self.image_guidance_scale * image)
            for text in TEXT_LADDER
            for image in IMAGE_LADDER
        ]


def _rounded(guidance_scale: float, image_guidance_scale: float) -> Strength:
    return Strength(round(guidance_scale, 1), round(image_guidance_scale, 2))
