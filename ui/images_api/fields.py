"""Requests of OpenAI's API for pictures: their parameters, what each may hold, and which have no effect here.

Law: a parameter is understood, or named in the answer as one without effect, or refused; none is passed over.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from ui.images_api.errors import ApiError

MOST: Final = 10
"""Pictures of one request."""
MOST_IMAGES: Final = 16
SIDES: Final = (16, 4096)
"""Of a picture that is asked for, in pixels."""
_SIZE: Final = re.compile(r"(\d{1,5})x(\d{1,5})")
_WITHOUT_EFFECT: Final = frozenset(
    {
        "user",
        "quality",
        "style",
        "moderation",
        "input_fidelity",
        "output_compression",
        "partial_images",
        "safety_identifier",
    }
)
"""Parameters of OpenAI's models, which choose nothing here."""
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "response_format": ("b64_json", "url"),
    "output_format": ("png",),
    "background": ("auto", "opaque"),
}
_NUMBERS: Final = ("guidance_scale", "image_guidance_scale", "only")
_WHOLE: Final = ("num_inference_steps", "seed")


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameters:
    """What is asked for besides pictures.

    Attributes:
        prompt: The words.
        model: Name of the model; None takes the page's own.
        n: How many pictures.
        size: (width, height) of the result in pixels; None leaves it to the editor.
        response_format: "b64_json" or "url".
        settings: Fields of the editor's request, by their names there.
        without_effect: Parameters that choose nothing here.
    """

    prompt: str
    model: str | None = None
    n: int = 1
    size: tuple[int, int] | None = None
    response_format: str = "b64_json"
    settings: Mapping[str, Any] = field(default_factory=dict)
    without_effect: tuple[str, ...] = ()

    @classmethod
    def read(cls, given: Mapping[str, Any], *, settings: tuple[str, ...]) -> Self:
        """Read the parameters of a request; in a form all values are text.

        Args:
            given: By name; None and "" stand for nothing.
            settings: Fields of the editor's request that may be given, besides OpenAI's own parameters.

        Raises:
            ApiError: One is wrong, unknown or missing.
        """
        known = {"prompt", "model", "n", "size", "stream", *_CHOICES, *_WITHOUT_EFFECT, *settings}
        told = {name: value for name, value in given.items() if value not in (None, "")}
        for name in told:
            if name not in known:
                raise ApiError(
                    f"{name}: is no parameter here; there are {', '.join(sorted(known))}.",
                    param=name,
                    code="unknown_parameter",
                )
        prompt = told.get("prompt")
        if not isinstance(prompt, str) or not prompt.strip():
            raise ApiError(
                "prompt: is missing; say what is wanted.", param="prompt", code="missing_parameter"
            )
        if str(told.get("stream", "false")).lower() not in ("false", "0"):
            raise ApiError(
                "stream: is not supported; leave it out.", param="stream", code="unsupported_value"
            )
        for name, allowed in _CHOICES.items():
            if name in told and told[name] not in allowed:
                raise ApiError(
                    f"{name}: {told[name]!r} is not allowed; choose from {', '.join(allowed)}.",
                    param=name,
                    code="unsupported_value",
                )
        model = told.get("model")
        if not isinstance(model, str | None):
            raise ApiError("model: is no name; give one of /v1/models.", param="model")
        return cls(
            prompt=prompt,
            model=model,
            n=_whole("n", told.get("n", 1), 1, MOST),
            size=_size(told.get("size", "auto")),
            response_format=told.get("response_format", "b64_json"),
            settings={name: _setting(name, told[name]) for name in settings if name in told},
            without_effect=tuple(sorted(_WITHOUT_EFFECT & told.keys())),
        )


def _setting(name: str, value: Any) -> Any:
    """Return a number as the editor's request takes it, which judges it; text that is none goes on."""
    if not isinstance(value, str):
        return value
    kinds = (int,) if name in _WHOLE else (int, float) if name in _NUMBERS else ()
    for kind in kinds:
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def _whole(name: str, value: Any, low: int, high: int) -> int:
    number = _setting("seed", value)
    if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
        raise ApiError(
            f"{name}: {value!r} is not allowed; give a whole number from {low} to {high}.", param=name
        )
    return number


def _size(value: Any) -> tuple[int, int] | None:
    if value == "auto":
        return None
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    sides = (int(match[1]), int(match[2])) if match else None
    if sides is None or not all(SIDES[0] <= side <= SIDES[1] for side in sides):
        raise ApiError(
            f"size: {value!r} is not allowed; give auto, or WIDTHxHEIGHT in pixels, each side from "
            f"{SIDES[0]} to {SIDES[1]}.",
            param="size",
        )
    return sides
