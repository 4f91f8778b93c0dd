"""Say a wish in a model's words: a language model turns it into an instruction as the model was taught it.

"mache es zur Nacht" becomes "make it night", "could it be a bit more gloomy?" perhaps "make it cloudy". Laws:
what comes back is one line that a person sees, and may change, before anything is done with it; and where it
is like nothing that the model was taught, it is no instruction, and the person's own words stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from dataset_builder.errors import WriterStopped
from dataset_builder.shards.checks import CHECKS
from dataset_builder.write.meaning import packaged_reader
from dataset_builder.write.messages import read_chat, said_aloud
from dataset_builder.write.openai_client import Failure, Server
from editors.checks import shortened

LONGEST: Final = 200
"""Characters of an instruction."""
NEAR: Final = 0.45
"""Cosine to the nearest instruction that a model was taught, from which an answer is one.

Of 16 pieces of nonsense, half of them SmolLM2-135M's, 11 are below 0.43; "make it a gloomy evening" is at
0.68 of "make it daytime", "make her hair red" at 0.55 of "make the dog red", for pocket.
"""
_SYSTEM: Final = (
    "A program edits pictures by short English instructions, and understands only such as these:\n{phrases}\n"
    "The user says in any language what should change. Answer with the one instruction that comes nearest to "
    "it, in the form and words of these, on one line, and nothing else. Keep what the user names, such as a "
    "colour or a thing."
)
_ANY: Final = "make it night\nadd snow\nturn it into a watercolour painting\nmake the car red\nremove the dog"
"""Where nobody says what the model was taught: how most are asked."""
_QUOTES: Final = "\"'`“”‘’«»„ \t*"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rewriter:
    """A server that rewrites, of any kind that speaks OpenAI's API.

    Attributes:
        base_url: Its address, which usually ends in /v1.
        model: Name of its language model.
        key_variable: Name of the environment variable that holds its key; empty for a server without keys.
        timeout: Seconds to wait for an answer.
        max_attempts: How often to try to reach it.
        backoff: Seconds before the second time.
        max_wait: Seconds that it may ask to wait.
    """

    base_url: str
    model: str
    key_variable: str = ""
    timeout: float = 60.0
    max_attempts: int = 2
    backoff: float = 0.5
    max_wait: float = 10.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        CHECKS.require(
            "base_url",
            self.base_url,
            parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc,
            "an address such as http://127.0.0.1:8000/v1",
        )
        CHECKS.require("model", self.model, bool(self.model.strip()), "the name of a model")
        CHECKS.number("timeout", self.timeout, 0, 3600, above=True)

    def rewritten(self, wish: str, phrases: Sequence[str] = ()) -> str:
        """Return a wish as an instruction.

        Args:
            wish: What somebody wants, in any language.
            phrases: Instructions that the editing model was taught; none where nobody says.

        Raises:
            WriterStopped: The server cannot be reached, or gave no instruction.
        """
        try:
            return asyncio.run(self._ask(wish, phrases))
        except WriterStopped as error:  # nobody who asks has a field of that name before him
            raise WriterStopped(str(error).removeprefix("base_url: ")) from None

    async def _ask(self, wish: str, phrases: Sequence[str]) -> str:
        talk = [
            {"role": "system", "content": _SYSTEM.format(phrases="\n".join(phrases) or _ANY)},
            {"role": "user", "content": wish},
        ]
        async with Server(self) as server:
            create = server.client.chat.completions.with_raw_response.create
            # No further field: servers differ in which they take.
            found = await server.call(lambda: create(model=self.model, messages=talk))
            if isinstance(found, Failure):
                raise WriterStopped(f"{server.address} gave no instruction ({found.outcome}: {found.said}).")
            reply = read_chat(found)
            said = instruction_in(said_aloud(reply.said))
            if not said:
                raise WriterStopped(
                    f"{server.address} gave no instruction ({reply.outcome}); say it otherwise."
                )
            if phrases and not _is_taught(said, phrases):
                raise WriterStopped(
                    f"{server.address} answered “{shortened(said)}”, which is like nothing that the model "
                    "was taught; your own words stay."
                )
            return said


def _is_taught(said: str, phrases: Sequence[str]) -> bool:
    """Say whether an answer is near to an instruction that the model was taught."""
    if said.lower() in phrases:
        return True
    from editors.model.suggest import Suggestions  # torch: only now

    return Suggestions(packaged_reader(), phrases).near(said)[1] >= NEAR


def instruction_in(text: str) -> str:
    """Return the instruction that an answer holds: its last line that says something; "" where none does."""
    lines = [line.strip(_QUOTES).rstrip(".").strip(_QUOTES) for line in text.splitlines()]
    said = next((line for line in reversed(lines) if any(map(str.isalnum, line))), "")
    return said if len(said) <= LONGEST else ""
