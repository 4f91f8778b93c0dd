"""Messages to a language model and the reading of its answers: chat, responses, the Batch API's lines.

The request is that of InstructPix2Pix: Learning to Follow Image Editing Instructions (Brooks, Holynski,
Efros, 2023, arXiv:2211.09800), which fine-tuned a completion model on 700 triplets; here examples stand in
the conversation, and a schema in place of separators. `finetune_line` gives the same conversation to those
who tune a model.

Law: reading is total: any JSON value, and any text, is a `Reply` of one named outcome; nothing is evaluated.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from dataset_builder import records
from dataset_builder.records import EditTriplet
from dataset_builder.shards.storage import hash_json
from editors.requests.spelling import as_json

Level = Literal["json_schema", "json_object", "plain"]
LEVELS: Final[tuple[Level, ...]] = ("json_schema", "json_object", "plain")
"""How an answer's form is asked for, from the strictest down; where one is refused, the next is tried."""
SYSTEM: Final = (
    "You write edits of pictures. The user gives the caption of a picture. Think of one edit that can be "
    "seen: another colour, material, animal, thing, place, season, weather, time of day or artistic style, "
    "or something added or taken away. Answer with one JSON object of two keys: "
    '"edit_prompt", the instruction as a person would type it, in a few words; and "edited_prompt", the '
    "caption of the picture after the edit, which keeps the words of the given caption wherever the edit "
    "changes nothing."
)
_FENCE: Final = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)
_LABELLED: Final = re.compile(
    r"^\W*edit_prompt\W*[:=]\W*(?P<edit_prompt>[^\n]+?)\W*\n\W*edited_prompt\W*[:=]\W*(?P<edited_prompt>[^\n]+)",
    re.IGNORECASE,
)
_THOUGHT_END: Final = re.compile(
    r"</(?:think|thinking|thoughts?|reasoning|reflection|analysis|seed:think)>|\[/THINK\]|◁/think▷|"
    r"<\|END_THINKING\|>|<\|channel\|>final<\|message\|>",
    re.IGNORECASE,
)
_THOUGHT_START: Final = re.compile(
    r"<(?:think|thinking|thoughts?|reasoning|reflection|analysis|seed:think)>|\[THINK\]|◁think▷|"
    r"<\|START_THINKING\|>|<\|channel\|>(?:analysis|commentary)<\|message\|>",
    re.IGNORECASE,
)
_SPOKEN: Final = frozenset({"text", "output_text", None})
_CUT: Final = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})
_FILTERED: Final = frozenset(
    {"content_filter", "safety", "prohibited_content", "blocklist", "recitation", "sensitive"}
)
"""How servers say why an answer ended, in lower case."""
_REFUSAL: Final = re.compile(
    r"^\s*(?:i['’]?m sorry|i am sorry|sorry,|i can(?:['’]t|not)|i['’]?m unable)", re.IGNORECASE
)


class TripletAnswer(BaseModel):
    """The answer of a model, and the schema that servers are given."""

    model_config = ConfigDict(extra="forbid", strict=True)

    edit_prompt: str
    edited_prompt: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """A server's answer as it was read.

    Attributes:
        outcome: "answer", or why there is none: "empty", "malformed", "refused", "cut_off", "filtered",
            "not_an_answer" (no answer of the API at all).
        answer: The two texts, where there are two.
        said: The text as it came, for the ledger.
        part: Of the form, what the server refused; "" is the form of answers.
        prompt_tokens: As the server counted; 0 where it did not.
        completion_tokens: The same.
    """

    outcome: str
    answer: TripletAnswer | None = None
    said: str = ""
    part: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


def drawn_examples(examples: Sequence[EditTriplet], count: int, *seed: Any) -> list[EditTriplet]:
    """Draw the examples that stand before a request: others for every prompt, so that edits differ."""
    return random.Random(hash_json(seed)).sample(list(examples), min(count, len(examples)))


def messages(
    prompt: str, examples: Sequence[EditTriplet], *, system_role: bool = True
) -> list[dict[str, str]]:
    """Return the conversation that asks for an edit of `prompt`.

    Args:
        prompt: The caption.
        examples: Triplets that stand before it.
        system_role: Whether the model knows that role; else what it says stands before the first question.
    """
    talk = [turn for example in examples for turn in _turns(example)]
    talk.append({"role": "user", "content": prompt})
    if system_role:
        return [{"role": "system", "content": SYSTEM}, *talk]
    return [{"role": "user", "content": f"{SYSTEM}\n\n{talk[0]['content']}"}, *talk[1:]]


def finetune_line(triplet: EditTriplet) -> dict[str, Any]:
    """Return a triplet as a line of a fine-tuning file: the conversation a tuned writer is asked with."""
    return {"messages": [{"role": "system", "content": SYSTEM}, *_turns(triplet)]}


def _turns(triplet: EditTriplet) -> list[dict[str, str]]:
    """Return a triplet as a question and its answer."""
    answer = {
        records.EDIT_PROMPT: triplet.edit_prompt,
        records.EDITED_PROMPT: triplet.edited_prompt,
    }
    return [
        {"role": "user", "content": triplet.original_prompt},
        {"role": "assistant", "content": as_json(answer)},
    ]


def chat_format(level: Level) -> dict[str, Any]:
    """Return the fields of a chat request that ask for the answer's form."""
    if level == "plain":
        return {}
    if level == "json_object":
        return {"response_format": {"type": "json_object"}}
    schema = {"name": TripletAnswer.__name__, "strict": True, "schema": TripletAnswer.model_json_schema()}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def responses_format(level: Level) -> dict[str, Any]:
    """Return the fields of a request to the responses API that ask for the answer's form."""
    asked = chat_format(level).get("response_format")
    if asked is None:
        return {}
    return {"text": {"format": {"type": asked["type"], **asked.get("json_schema", {})}}}


def read_chat(body: object) -> Reply:
    """Read the body of a chat completion."""
    choice = _first(_get(body, "choices"))
    message = _get(choice, "message")
    if not isinstance(message, Mapping):
        return Reply(outcome="not_an_answer", said=_short(body))
    ended = str(_get(choice, "finish_reason")).lower()
    return _reply(
        _text(message.get("content")),
        refusal=_text(message.get("refusal")),
        cut=ended in _CUT,
        filtered=ended in _FILTERED,
        tokens=_tokens(body, "prompt_tokens", "completion_tokens"),
    )


def read_response(body: object) -> Reply:
    """Read the body of an answer of the responses API."""
    output = _get(body, "output")
    if not isinstance(output, list):
        return Reply(outcome="not_an_answer", said=_short(body))
    parts = [
        part
        for item in output
        if _get(item, "type") == "message"
        for part in _get(item, "content") or []
        if isinstance(part, Mapping)
    ]
    why = _get(_get(body, "incomplete_details"), "reason")
    return _reply(
        "".join(_text(part.get("text")) for part in parts if part.get("type") == "output_text"),
        refusal="".join(_text(part.get("refusal")) for part in parts if part.get("type") == "refusal"),
        cut=why in _CUT,
        filtered=why in _FILTERED,
        tokens=_tokens(body, "input_tokens", "output_tokens"),
    )


def read_text(text: str) -> TripletAnswer | None:
    """Read the two texts out of what a model wrote: JSON, fenced JSON, JSON within prose, labelled lines.

    What it thought aloud before is no answer, and of several the last counts: the others were drafts.
    """
    text, found = said_aloud(text), None
    for candidate in _objects(text):
        known = {name: candidate[name] for name in TripletAnswer.model_fields if name in candidate}
        try:
            found = TripletAnswer.model_validate(known)
        except ValidationError:
            continue
    labelled = _LABELLED.match(text)
    return found or (TripletAnswer(**labelled.groupdict()) if labelled else None)


def said_aloud(text: str) -> str:
    """Return what a reasoning model wrote after it had thought; nothing where it never came to an end."""
    ends = list(_THOUGHT_END.finditer(text))
    text = text[ends[-1].end() :] if ends else text
    start = _THOUGHT_START.search(text)
    return text if start is None else text[: start.start()]


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects in a text."""
    decoder = json.JSONDecoder()
    for part in (text, *_FENCE.findall(text)):
        start = part.find("{")
        while start >= 0:
            try:
                value, stop = decoder.raw_decode(part, start)
            except (ValueError, RecursionError):
                value, stop = None, start + 1
            if isinstance(value, dict):
                yield value
            start = part.find("{", stop)


def _reply(text: str, *, refusal: str, cut: bool, filtered: bool, tokens: tuple[int, int]) -> Reply:
    """Name what came back."""
    answer = None
    if filtered:
        outcome = "filtered"
    elif refusal:
        outcome = "refused"
    elif cut:
        outcome = "cut_off"
    elif not said_aloud(text).strip():
        outcome = "empty"
    elif answer := read_text(text):
        outcome = "answer"
    else:
        outcome = "refused" if _REFUSAL.match(said_aloud(text)) else "malformed"
    return Reply(
        outcome=outcome,
        answer=answer,
        said=refusal or text,
        prompt_tokens=tokens[0],
        completion_tokens=tokens[1],
    )


def _tokens(body: object, *names: str) -> tuple[int, int]:
    """Return the two counts of a body's `usage`; 0 where the server says nothing."""
    counts = (_get(_get(body, "usage"), name) for name in names)
    first, second = (count if isinstance(count, int) and count > 0 else 0 for count in counts)
    return first, second


def _get(value: object, name: str) -> Any:
    """Return a member of what may be a JSON object."""
    return value.get(name) if isinstance(value, Mapping) else None


def _first(value: object) -> object:
    """Return the first of what may be a JSON array."""
    return value[0] if isinstance(value, list) and value else None


def _text(value: object) -> str:
    """Return a text that may be missing, or come in parts, of which some are thoughts."""
    if isinstance(value, list):
        return "".join(_text(_get(part, "text")) for part in value if _get(part, "type") in _SPOKEN)
    return value if isinstance(value, str) else ""


def _short(value: object) -> str:
    """Return the beginning of a value, for a person."""
    return str(value)[:200]
