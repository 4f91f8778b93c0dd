"""The writing job: its prompts, its writer, its pace and its budget.

Law: a job that cannot be done says so here, before anything is read, asked or written. What the triplets
depend on goes into `config`; how fast they are made, and for how much money, does not.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args
from urllib.parse import urlsplit

from dataset_builder import scenes
from dataset_builder.errors import InvalidJob
from dataset_builder.records import EditTriplet
from dataset_builder.render.triplets import read_triplets
from dataset_builder.shards.checks import CHECKS
from dataset_builder.shards.storage import hash_json
from dataset_builder.write.captions import SCENES, PromptSource
from dataset_builder.write.messages import SYSTEM, TripletAnswer
from editors.files import read_text, user_path
from editors.requests.rules import SEED

WriterName = Literal["scenes", "openai"]
Transport = Literal["chat", "responses", "batch"]
Check = Literal["meaning", "words"]
OPEN_NUMBERS: Final = frozenset(
    {
        "num",
        "temperature",
        "requests_per_minute",
        "tokens_per_minute",
        "budget",
        "input_price",
        "output_price",
    }
)
"""Fields that may be left open."""
_OF_SERVERS: Final = (
    *("model", "base_url", "examples", "moderate", "requests_per_minute", "tokens_per_minute"),
    *("budget", "input_price", "output_price", "prices"),
)
"""Fields that say something to a server alone: a wish that nobody would hear is refused."""
EXAMPLES: Final = Path(__file__).with_name("examples.jsonl")


@dataclass(frozen=True, kw_only=True, slots=True)
class Prices:
    """Prices of a million tokens, in any currency; the budget is in the same."""

    input: float
    output: float

    def of(self, prompt_tokens: float, completion_tokens: float) -> float:
        """Return the price of some tokens."""
        return (prompt_tokens * self.input + completion_tokens * self.output) / 1e6


@dataclass(frozen=True, kw_only=True, slots=True)
class WriteJob:
    """Triplets to write.

    Attributes:
        out: Folder for triplets, ledger and manifest; made if missing.
        prompts: Where original prompts come from: "scenes" (the grammar), a .txt file (one a line), a .jsonl
            file, or the folder or Hub name of a Hugging Face dataset.
        column: Column of the captions in a .jsonl file or a dataset.
        split: Split of the dataset; of scenes "train" or "held_out".
        num: How many prompts at most; None takes all there are.
        world: World of the scenes.
        seed: Start of all randomness: which scenes, which examples stand before a request.
        writer: Who writes: "scenes" (exact edits of scenes, offline), or "openai" (any server that speaks
            its API).
        model: Name of the model, as its server calls it.
        base_url: Address of the server, which usually ends in /v1; None is OpenAI's own, or OPENAI_BASE_URL.
        key_variable: Name of the environment variable that holds the key; empty for a server without keys.
        transport: How to ask: "chat" completions, "responses", or "batch" (half the price at most providers,
            within a day).
        temperature: Randomness of the answers; None ("server" on a command line) leaves it to the server.
        max_tokens: Longest answer, in tokens.
        shots: Examples that stand before each request, drawn anew for every prompt.
        examples: File of triplets to draw them from; None takes those that come with Wordbrush.
        check: How to see whether an instruction tells what it changes: by the "meaning" of English words, as
            a sentence encoder reads them, or by the "words" alone, for other languages, and for large models,
            whose captions say more than their instructions.
        moderate: Ask the server's moderation about every prompt and every answer.
        concurrency: Requests under way at a time.
        requests_per_minute: Most requests a minute.
        tokens_per_minute: Most tokens a minute.
        timeout: Seconds to wait for an answer.
        max_attempts: How often a prompt is asked again when the server is busy or fails.
        backoff: Seconds before the second attempt; doubled for every further one, unless the server says.
        max_wait: Longest wait in seconds; a server that asks for more ends the run, which can go on later.
        poll: Seconds between two looks at a batch.
        budget: Most money to spend, over all runs of the job.
        input_price: Price of a million tokens read.
        output_price: Price of a million tokens written.
        prices: JSON file of prices: {"model": {"input": 1.0, "output": 2.0}}, in place of the two above.
    """

    out: Path
    prompts: str = SCENES
    column: str = "caption"
    split: str = "train"
    num: int | None = None
    world: str = "pocket"
    seed: int = 0
    writer: WriterName = "scenes"
    model: str | None = None
    base_url: str | None = None
    key_variable: str = "OPENAI_API_KEY"
    transport: Transport = "chat"
    temperature: float | None = 0.7
    max_tokens: int = 256
    shots: int = 4
    examples: Path | None = None
    check: Check = "meaning"
    moderate: bool = False
    concurrency: int = 8
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    timeout: float = 60.0
    max_attempts: int = 6
    backoff: float = 1.0
    max_wait: float = 120.0
    poll: float = 30.0
    budget: float | None = None
    input_price: float | None = None
    output_price: float | None = None
    prices: Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", user_path(self.out))
        _check_choices(self)
        for field, low, high in (
            ("num", 1, 100_000_000),
            ("seed", *SEED),
            ("max_tokens", 16, 100_000),
            ("shots", 0, 32),
            ("concurrency", 1, 1000),
            ("max_attempts", 1, 100),
        ):
            _check_number(self, field, low, high, whole=True)
        for field, lowest, highest in (
            ("temperature", 0.0, 2.0),
            ("requests_per_minute", 1e-3, 1e7),
            ("tokens_per_minute", 1.0, 1e10),
            ("timeout", 1e-3, 3600.0),
            ("backoff", 0.0, 600.0),
            ("max_wait", 0.0, 86_400.0),
            ("poll", 0.0, 3600.0),
            ("budget", 0.0, 1e9),
            ("input_price", 0.0, 1e6),
            ("output_price", 0.0, 1e6),
        ):
            _check_number(self, field, lowest, highest, whole=False)
        if self.writer == "openai":
            _check_server(self)

    @property
    def source(self) -> PromptSource:
        """Where the prompts come from."""
        return PromptSource(
            prompts=self.prompts,
            column=self.column,
            split=self.split,
            num=self.num,
            world=self.world,
            seed=self.seed,
        )

    def config(self) -> dict[str, Any]:
        """Return what the triplets depend on.

        Raises:
            InvalidJob: A file of prompts or examples cannot be read.
        """
        config: dict[str, Any] = {**self.source.config(), "writer": self.writer}
        if self.writer == "scenes":
            return config
        return {
            **config,
            "check": self.check,
            "examples": hash_json([asdict(example) for example in self.read_examples()]),
            "instructions": hash_json([SYSTEM, TripletAnswer.model_json_schema()]),
            "max_attempts": self.max_attempts,
            "max_tokens": self.max_tokens,
            "model": self.model,
            "moderate": self.moderate,
            "seed": self.seed,
            "shots": self.shots,
            "temperature": self.temperature,
        }

    def known_prices(self) -> Prices | None:
        """Return what tokens cost, or None if nobody said.

        Raises:
            InvalidJob: The file of prices cannot be read, or does not name the model.
        """
        if self.prices is not None:
            return _price_of(self.model or "", self.prices)
        if self.input_price is None or self.output_price is None:
            return None
        return Prices(input=self.input_price, output=self.output_price)

    def read_examples(self) -> list[EditTriplet]:
        """Return the triplets that stand before requests.

        Raises:
            InvalidJob: Their file cannot be read.
        """
        if not self.shots:
            return []
        return [row.triplet for row in read_triplets(self.examples or EXAMPLES)]


def _check_choices(job: WriteJob) -> None:
    """Refuse unknown names, and a writer that cannot write from the prompts."""
    for field, choices in (("writer", WriterName), ("transport", Transport), ("check", Check)):
        CHECKS.choice(field, getattr(job, field), get_args(choices))
    if job.writer == "scenes":
        asked = next((name for name in _OF_SERVERS if getattr(job, name) not in (None, False)), None)
        if asked is not None:
            raise InvalidJob(
                f"{asked} is {getattr(job, asked)!r}, but writer is 'scenes', which asks no model; choose "
                "writer 'openai', or leave it out."
            )
    if not isinstance(job.prompts, str) or not job.prompts.strip():
        raise InvalidJob(f"prompts is {job.prompts!r}, but must be 'scenes', a file or a dataset; name one.")
    if job.prompts != SCENES:
        if job.writer == "scenes":
            raise InvalidJob(
                f"writer is 'scenes', but it can edit scenes only, and prompts is {job.prompts!r}; choose "
                "prompts 'scenes' or writer 'openai'."
            )
        return
    if job.num is None:
        raise InvalidJob("num is None, but the grammar of scenes never ends; say how many prompts.")
    CHECKS.choice("world", job.world, scenes.WORLDS)
    CHECKS.choice("split", job.split, ("train", "held_out"))


def _check_number(job: WriteJob, field: str, low: float, high: float, *, whole: bool) -> None:
    """Refuse anything but a number in a range; None stands where the field may be left open."""
    value = getattr(job, field)
    if value is None and field in OPEN_NUMBERS:
        return
    if whole:
        CHECKS.whole_number(field, value, int(low), int(high))
    else:
        CHECKS.number(field, value, low, high)


def _check_server(job: WriteJob) -> None:
    """Refuse a job for a model that names none, or a budget without prices."""
    if not job.model or not job.model.strip():
        raise InvalidJob(
            f"model is {job.model!r}, but writer 'openai' needs one; name it as its server does."
        )
    if job.base_url is not None:
        parts = urlsplit(job.base_url)
        if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc or parts.query:
            raise InvalidJob(
                "base_url must be an address such as http://127.0.0.1:8000/v1, with no key or password in "
                "it; change it."
            )
    if job.budget == 0:
        raise InvalidJob("budget is 0, but must be above 0; leave it out to spend without a limit.")
    if (job.input_price is None) != (job.output_price is None):
        raise InvalidJob("input_price and output_price belong together; give both, or neither.")
    if job.prices is not None and job.input_price is not None:
        raise InvalidJob("prices and input_price both say what tokens cost; give one of them.")
    if job.budget is not None and job.known_prices() is None:
        raise InvalidJob(
            f"budget is {job.budget:g}, but nobody says what tokens cost; give input_price and output_price, "
            "or prices."
        )


def _price_of(model: str, path: Path) -> Prices:
    """Read a model's prices from a file."""
    try:
        table = json.loads(read_text(user_path(path)))
    except (OSError, ValueError) as error:
        raise InvalidJob(f"prices: {path} cannot be read ({error}); give a JSON file.") from error
    entry = table.get(model) if isinstance(table, Mapping) else None
    values = [entry.get(name) if isinstance(entry, Mapping) else None for name in ("input", "output")]
    numbers = [float(value) for value in values if isinstance(value, (int, float)) and value >= 0]
    if len(numbers) != 2 or not all(map(math.isfinite, numbers)):
        raise InvalidJob(
            f'prices: {path} says nothing of {model!r}; write {{"{model}": {{"input": …, "output": …}}}}, '
            "each for a million tokens."
        )
    return Prices(input=numbers[0], output=numbers[1])
