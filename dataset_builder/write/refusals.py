"""Refusals of servers, and whom each concerns: this prompt, the form of the request, the account, the server.

Servers of one API say one thing in many ways: by a status, a code, a parameter's name, or words alone. What
is told apart here was reported of OpenAI, Azure, vLLM, llama.cpp, Ollama, LM Studio, DeepSeek, OpenRouter,
Groq, Mistral, Moonshot, DashScope and Gemini.

Law: `concern` is a pure function of what the server said; only a refusal of the prompt itself uses up a
prompt.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Concern = Literal["prompt", "form", "answer", "account", "key", "model", "busy", "trouble", "unknown"]
"""The prompt; the form of the request; the answer, which may come out better; the account and its money; its
key; the model or the address; too many requests; a server in trouble; nobody knows."""

SYSTEM_ROLE: Final = "system"
PARTS: Final = (
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "temperature",
    "seed",
    "store",
)
"""Fields that a request can do without, or under another name."""
_ABOUT_ANSWER: Final = re.compile(
    r"json_validate_failed|failed_generation|failed to (?:generate|validate) json", re.I
)
_ABOUT_FORM: Final = re.compile(
    r"response_format|json_schema|json_object|schema|grammar|text\.format|guided_|structured.output", re.I
)
_REFUSES_A_PART: Final = re.compile(
    r"un-?supported|not? (?:be )?(?:support|permit|allow)|n't support|deprecated|no longer|cannot be|extra|"
    r"omit|"
    r"un(?:recogni[sz]ed|known|expected|permitted)|only the default|only .{1,20} (?:is|are) |remove|instead",
    re.I,
)
_ABOUT_SYSTEM: Final = re.compile(
    r"(?:system|developer) (?:role|message|prompt|instruction)s?\b.{0,60}\bnot\b|"
    r"not support '(?:system|developer)'|roles must alternate",
    re.I | re.S,
)
_ABOUT_MONEY: Final = re.compile(
    r"insufficient[ _](?:quota|balance|credit|fund)|balance is (?:insufficient|not enough)|out of credit|"
    r"(?:credit|balance).{0,40}(?:too low|exhaust|depleted|expired|zero|exceed)|arrear|overdue|good standing|"
    r"(?:account|organi[sz]ation).{0,60}(?:suspend|deactivat|disabled|inactive|not active|block)|"
    r"(?:spend(?:ing)?|hard|key)[ _]limit|exceeded_current_quota|billing_(?:not_active|hard_limit)",
    re.I | re.S,
)
_ABOUT_PAYING: Final = re.compile(r"billing|payment", re.I)
_ABOUT_PROMPT: Final = re.compile(
    r"content[ _](?:filter|policy|management|exists risk)|ResponsibleAI|flagged|moderation|invalid_prompt|"
    r"safety (?:system|setting|filter|polic|reason)|usage polic|data_?inspection|inappropriate content|"
    r"sensitive (?:content|information|word)|prohibited",
    re.I,
)
_TOO_LONG: Final = re.compile(
    r"context.{0,20}(?:length|window|size)|too long|string_above_max|maximum.{0,20}tokens", re.I
)
_ABOUT_MODEL: Final = re.compile(
    r"no models? (?:is |are )?loaded|not a valid model|(?:invalid|unknown) model|DeploymentNotFound|"
    r"OperationNotSupported|model_not_found|model.{0,80}(?:not found|does not exist|not exist|not available|"
    r"no longer available|decommissioned|retired|deprecated)",
    re.I | re.S,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """What a server said instead of an answer.

    Attributes:
        status: The status of HTTP, or the one in the body.
        said: In words.
        code: The server's own names of it: code and type.
        param: The field of the request that it names.
    """

    status: int
    said: str
    code: str = ""
    param: str = ""


def refusal_in(body: object) -> Refusal | None:
    """Return the refusal that came as an answer, with status 200, as from OpenRouter; None where none did."""
    if not isinstance(body, Mapping):
        return None
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    error = body.get("error") if first is None else _get(first, "error")
    if not error or (first is None and body.get("output")):
        return None
    code = _get(error, "code")
    status = code if isinstance(code, int) and 400 <= code < 600 else 500
    said = _get(error, "message")
    return Refusal(
        status=status,
        said=" ".join(str(said if isinstance(said, str) else error).split())[:200],
        code=f"{code if isinstance(code, str) else ''} {_get(error, 'type') or ''}".strip(),
        param=str(_get(error, "param") or ""),
    )


def concern(refusal: Refusal, sent: Collection[str] = ()) -> tuple[Concern, str]:
    """Say whom a refusal concerns, and of the form, which part.

    Args:
        refusal: What the server said.
        sent: Names of the fields of the request.

    Returns:
        The concern, and the name of the part of the form that the server refuses; "" is the form of answers.
    """
    status, words = refusal.status, f"{refusal.code} {refusal.said}"
    if status == 402:
        return "account", ""
    if status == 429:
        # Many that are merely asked too fast tell where more may be paid for: such words say nothing.
        is_pace = "rate_limit" in refusal.code
        return ("busy" if is_pace or not _ABOUT_MONEY.search(words) else "account"), ""
    if status < 500 and (_ABOUT_MONEY.search(words) or _ABOUT_PAYING.search(words)):
        return "account", ""
    if status in (400, 403, 422, 451, 500) and _ABOUT_PROMPT.search(words):
        return "prompt", ""
    if status in (401, 403, 407):
        return "key", ""
    if status in (400, 404, 422, 500, 503) and _ABOUT_MODEL.search(words):
        return "model", ""
    if status in (404, 405, 410, 421, 426, 451, 501):
        return "model", ""
    if status in (400, 415, 422, 500):
        if _ABOUT_ANSWER.search(words):
            return "answer", ""
        part = _refused_part(refusal, sent)
        if part is not None:
            return "form", part
        if status != 500 and _TOO_LONG.search(words):
            return "unknown", ""
    return ("trouble", "") if status in (408, 409, 425) or status >= 500 else ("unknown", "")


def _refused_part(refusal: Refusal, sent: Collection[str]) -> str | None:
    """Return the part of the form that a server refuses; "" is the form of answers, None no part at all."""
    words = f"{refusal.code} {refusal.said}"
    named = refusal.param.split(".")[0].split("[")[0]
    if named in PARTS and named in sent:
        return named
    if named in ("response_format", "text"):
        return ""
    if _REFUSES_A_PART.search(words):
        # The field that stands first: "'max_tokens' is not supported. Use 'max_completion_tokens' instead."
        places = {part: re.search(rf"\b{part}\b", words) for part in PARTS if part in sent}
        found = [(match.start(), part) for part, match in places.items() if match]
        if found:
            return min(found)[1]
    if _ABOUT_SYSTEM.search(words):
        return SYSTEM_ROLE
    return "" if _ABOUT_FORM.search(words) else None


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None
