"""Windows in which a control acts: fractions of the steps, for all words or for each.

Reference: Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022, arXiv
2208.01626), "Attention Re-weighting" and the authors' schedules per word.

Law: a window is what it says: an int, a float and a pair mean the same steps, and 1 is all of them.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from editors.model.tokens import Prompt
from editors.requests.edits import StepWindow, WordWindows


def bounds(window: StepWindow) -> tuple[float, float]:
    """Return a window as its (start, end) fractions."""
    return window if isinstance(window, tuple) else (0, window)


def window_steps(window: StepWindow, num_steps: int) -> range:
    """Return the steps inside a window: from its start's share of the steps up to, and without, its end's.

    Args:
        window: A fraction `f`, which means (0, f), or a pair of fractions.
        num_steps: How often the network is called; PNDM calls it once more than there are inference steps.
    """
    start, end = bounds(window)
    # 0.29 x 100 is 28.999999999999996: what is whole but for rounding counts as whole.
    return range(math.floor(start * num_steps + 1e-6), math.floor(end * num_steps + 1e-6))


def window_alphas(
    windows: WordWindows, prompt: Prompt, num_steps: int, *, field: str = "cross_replace_steps"
) -> Tensor:
    """Return 1 inside each token's window and 0 outside, `(num_steps, K)`.

    Args:
        windows: One window for all tokens, or one per word of the prompt. "default" is for all other tokens,
            the end token and padding among them; without it they are inside at every step, as in the authors'
            code.
        prompt: The edited prompt.
        num_steps: How often the network is called.
        field: The field of the request that holds the windows, for errors.

    Raises:
        AlignmentError: A word is not in the prompt.
    """
    words = dict(windows) if isinstance(windows, Mapping) else {"default": windows}
    alphas = torch.zeros(num_steps, prompt.num_tokens)
    alphas[list(window_steps(words.pop("default", 1), num_steps))] = 1
    for word, window in words.items():
        tokens = torch.tensor(prompt.find(word, field=field))
        alphas[:, tokens] = 0
        alphas[torch.tensor(window_steps(window, num_steps), dtype=torch.long)[:, None], tokens] = 1
    return alphas
