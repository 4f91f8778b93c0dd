"""Heat maps that show people where each word of a prompt is looked at.

Reference: Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022, arXiv
2208.01626), Fig. 4: the average of cross-attention over the steps, and here over all layers.

Law: nothing is computed unless it is asked for, and what is computed changes no picture.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn.functional import interpolate

from editors.model.attention import AttentionSite
from editors.model.tokens import Prompt

_SHADE = 0.25
"""Of the picture, where a word is not looked at at all."""


class HeatMaps:
    """The observer that sums up where all words of a pair of prompts are looked at.

    It learns each token's map by attending to an indicator of it, so this is the whole map of the prompt's
    own tokens, without the padding.
    """

    def __init__(
        self,
        sites: Sequence[AttentionSite],
        prompts: tuple[Prompt, Prompt],
        *,
        size: tuple[int, int],
    ) -> None:
        """Prepare.

        Args:
            sites: All attention sites of the network.
            prompts: The original and the edited prompt.
            size: The latents' height and width.
        """
        self._prompts, self._size = prompts, size
        self._grids = {site.level: site.grid(*size) for site in sites if site.is_cross}
        self._sums: dict[int, Tensor] = {}  # level -> (2, P, N)
        self._tokens = sorted({token for each in prompts for token in each.content})
        self._shown = torch.eye(prompts[0].num_tokens)[:, self._tokens]  # (K, N)

    def wants(self, site: AttentionSite) -> bool:
        """Return whether this site is of interest."""
        return site.is_cross

    def indicator(self, key: Tensor) -> Tensor:
        """Return 1 at each token in its own column, as values `(2, heads, K, N)`."""
        return self._shown.to(key).expand(*key.shape[:2], -1, -1)

    def add(self, attended: Tensor, site: AttentionSite) -> None:
        """Take how much attention the tokens got at one site, `(2, heads, P, N)`."""
        level, mean = site.level, attended.float().mean(1)
        self._sums = {**self._sums, level: self._sums[level] + mean if level in self._sums else mean}

    def state(self) -> tuple[Tensor, ...]:
        """Return the sums so far, finest level first."""
        return tuple(self._sums[level] for level in sorted(self._sums))

    def restore(self, state: tuple[Tensor, ...]) -> None:
        """Go on from earlier sums."""
        self._sums = dict(zip(sorted(self._grids), state, strict=True))

    def by_word(self) -> Mapping[str, NDArray[np.float32]]:
        """Return each word's map, (h, w) of the latents' size, 1 where it is looked at most.

        Words of the edited prompt are shown as the edited picture looks at them, those of the original prompt
        alone as the original does.
        """
        if not self._sums:
            return {}
        total = torch.zeros(2, self._shown.shape[1], *self._size)
        for level, summed in self._sums.items():
            maps = summed.cpu().transpose(1, 2).unflatten(2, self._grids[level])  # (2, N, rows, columns)
            total += interpolate(maps, self._size, mode="bilinear", align_corners=False)
        found: dict[str, NDArray[np.float32]] = {}
        for prompt, maps in zip(self._prompts, total, strict=True):
            places: dict[str, list[int]] = defaultdict(list)
            for word in prompt.words:
                places[word.text] += [self._tokens.index(token) for token in word.tokens]
            for text, tokens in places.items():
                heat = maps[tokens].sum(0)
                found[text] = (heat / heat.max().clamp(min=1e-12)).numpy()
        return found


def sheet(picture: Image.Image, maps: Mapping[str, NDArray[np.float32]], *, columns: int = 4) -> Image.Image:
    """Lay the maps out side by side, each with its word: the picture, bright where the word is looked at.

    Args:
        picture: RGB or RGBA.
        maps: Word -> (h, w) from 0 to 1.
        columns: How many stand beside each other.
    """
    seen = picture.convert("RGB")
    columns = max(1, min(columns, len(maps)))
    width, height = seen.size
    paper = Image.new("RGB", (columns * width, -(-len(maps) // columns) * height))
    pen = ImageDraw.Draw(paper)
    for place, (word, heat) in enumerate(maps.items()):
        light = Image.fromarray(heat).resize(seen.size, Image.Resampling.BICUBIC)
        shade = _SHADE + (1 - _SHADE) * np.asarray(light).clip(0, 1)[..., None]
        lit = Image.fromarray((np.asarray(seen) * shade).round().astype(np.uint8))
        corner = place % columns * width, place // columns * height
        paper.paste(lit, corner)
        pen.text(corner, word, fill="white", stroke_width=1, stroke_fill="black")
    return paper
