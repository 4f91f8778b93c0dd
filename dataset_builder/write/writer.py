"""Original prompts to edit triplets: a job that loses nothing, asks nothing twice, keeps to a budget.

The first step of InstructPix2Pix: Learning to Follow Image Editing Instructions (Brooks, Holynski, Efros,
2023, arXiv:2211.09800, section 3.1), whose own program could not be resumed, recorded no rejects, and might
ask for ever.

Law: the triplets are in the order of the prompts and depend on the job and the answers alone, not on when
these came, nor on kills and resumes. A finished job run again asks nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from dataset_builder.errors import BudgetSpent, ConfigChanged, UnreadableDataset, WriterStopped
from dataset_builder.records import EditTriplet
from dataset_builder.render.triplets import TripletRow, read_triplets
from dataset_builder.shards.storage import (
    canonical_json,
    hash_bytes,
    hash_file,
    hash_json,
    locked,
    remove_leftovers,
    write_atomically,
    write_json,
)
from dataset_builder.write.captions import Prompts, read_prompts
from dataset_builder.write.from_scenes import SceneWriter
from dataset_builder.write.job import WriteJob
from dataset_builder.write.ledger import ACCEPTED, Ledger, Line, outcomes, settled, to_bytes
from dataset_builder.write.messages import finetune_line
from dataset_builder.write.pace import Spending
from editors.requests.spelling import as_json

INDEX_FILE: Final = "write.json"
LEDGER_FILE: Final = "ledger.jsonl"
TRIPLETS_FILE: Final = "triplets.jsonl"
MANIFEST_FILE: Final = "triplets.json"


class Writer(Protocol):
    """Whatever makes triplets of prompts."""

    def write(self, numbers: Sequence[int]) -> Iterator[Line]:
        """Settle prompts, in any order; yield the lines that the ledger was given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptReport:
    """A prompt that was settled just now.

    Attributes:
        number: Number of the prompt.
        outcome: "accepted", or why there is no triplet.
        settled: Prompts settled so far, earlier runs included.
        prompts: All prompts of the job.
        money: Spent so far; 0 where nobody said what tokens cost.
    """

    number: int
    outcome: str
    settled: int
    prompts: int
    money: float


@dataclass(frozen=True, kw_only=True, slots=True)
class WriteReport:
    """A report of what a job made.

    Attributes:
        triplets: Number of triplets.
        prompts: Number of prompts; the counts of `outcomes` add up to it.
        dropped: What the source held besides, by reason.
        outcomes: Prompts by outcome; "not_asked" where the budget ended.
        requests: Requests by outcome, those included after which a prompt was asked again.
        prompt_tokens: Tokens read, as the server counted, or our guess where it did not.
        completion_tokens: Tokens written, the same.
        money: Their price, or None where nobody said what tokens cost.
        complete: Whether all prompts are settled.
        requests_now: Requests made by this run.
    """

    triplets: int
    prompts: int
    dropped: Mapping[str, int]
    outcomes: Mapping[str, int]
    requests: Mapping[str, int]
    prompt_tokens: int
    completion_tokens: int
    money: float | None
    complete: bool
    requests_now: int = 0


def write_triplets(job: WriteJob) -> Iterator[PromptReport | WriteReport]:
    """Write what is missing of a job's triplets.

    Run it again after a kill, a failure or a spent budget and it goes on; close the generator to stop.

    Args:
        job: What to write, and where.

    Yields:
        A `PromptReport` for every prompt that is settled; at the end one `WriteReport`.

    Raises:
        InvalidJob: The prompts cannot be read, or the key is missing.
        ConfigChanged: The folder holds a job of another configuration, or its prompts have changed.
        FolderBusy: Another run is writing to the folder.
        WriterStopped: The server cannot be used, or no longer; the triplets so far are there.
        BudgetSpent: The budget ended first; the triplets so far are there.
        StorageFailed: The system refused to write.
        UnreadableDataset: The ledger is damaged.
    """
    config = job.config()
    done = read_manifest(job.out)
    if done is not None and done["config_hash"] == hash_json(config) and _is_whole(job.out, done):
        yield _report(done, 0)
        return
    prompts = read_prompts(job.source)
    _require_key(job)
    with locked(job.out):
        _check_index(job.out, config, prompts)
        remove_leftovers(job.out)
        ledger = Ledger(job.out / LEDGER_FILE)
        spending = _spending(job, ledger)
        writer = _writer(job, prompts, ledger, spending)
        waiting = [number for number in range(len(prompts.texts)) if not ledger.is_final(number)]
        num = len(prompts.texts)
        count, now = num - len(waiting), 0
        try:
            for line in writer.write(waiting):
                now += 1
                if line.final:
                    count += 1
                    yield PromptReport(
                        number=line.number,
                        outcome=line.outcome,
                        settled=count,
                        prompts=num,
                        money=spending.spent,
                    )
        except WriterStopped:
            if any(line.outcome == ACCEPTED for line in ledger.lines()):
                _commit(job, hash_json(config), prompts, ledger, writer)  # what there is can be used
            raise
        manifest = _commit(job, hash_json(config), prompts, ledger, writer)
    yield _report(manifest, now)
    if not manifest["complete"]:
        raise BudgetSpent(
            f"the budget of {job.budget:g} is spent ({spending.spent:.4f}) with {count} of {num} prompts "
            f"settled, and their {manifest['triplets']} triplets are in {job.out}; raise --budget to go on."
        )


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a folder of triplets, or None if it has none."""
    try:
        found: dict[str, Any] = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise UnreadableDataset(
            f"{folder / MANIFEST_FILE} is damaged ({error}); remove it and run the job again, which asks "
            "nothing twice."
        ) from error
    return found


def write_finetune_file(triplets: Path, out: Path) -> int:
    """Write triplets as a file for tuning a writer: conversations in the chat form that providers take.

    Args:
        triplets: A file of triplets, or the folder of a writing job.
        out: Where to; replaced if it is there.

    Returns:
        The number of conversations.

    Raises:
        InvalidJob: The triplets cannot be read.
        StorageFailed: The file cannot be written.
    """
    place = triplets / TRIPLETS_FILE if triplets.is_dir() else triplets
    rows = read_triplets(place)
    lines = (as_json(finetune_line(row.triplet)) for row in rows)
    write_atomically(out, "".join(f"{line}\n" for line in lines).encode())
    return len(rows)


def _require_key(job: WriteJob) -> None:
    """Require the key of a job that asks a server.

    Raises:
        InvalidJob: It is missing.
    """
    if job.writer == "openai":
        from dataset_builder.write.openai_client import key_of

        key_of(job)


def _writer(job: WriteJob, prompts: Prompts, ledger: Ledger, spending: Spending) -> Writer:
    """Return the job's writer."""
    if job.writer == "scenes":
        return SceneWriter(job.source, prompts, ledger)
    # Imported on use: pydantic's and openai's clients are heavy, and scenes need neither.
    if job.transport == "batch":
        from dataset_builder.write.openai_batch import BatchWriter

        return BatchWriter(job, prompts.texts, ledger, spending)
    from dataset_builder.write.openai_chat import ChatWriter

    return ChatWriter(job, prompts.texts, ledger, spending)


def _spending(job: WriteJob, ledger: Ledger) -> Spending:
    """Return the job's money, less what earlier runs spent."""
    spending = Spending(job.budget, job.known_prices() if job.writer == "openai" else None)
    spending.spent = sum(spending.cost(line.prompt_tokens, line.completion_tokens) for line in ledger.lines())
    return spending


def _check_index(folder: Path, config: Mapping[str, Any], prompts: Prompts) -> None:
    """Begin a folder's index, or refuse a folder of another job."""
    path = folder / INDEX_FILE
    new_hash = hash_json(config)
    if not path.exists():
        index = {"config": dict(config), "config_hash": new_hash, "prompts_hash": prompts.hash}
        write_json(path, index)
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        old, old_hash, old_prompts = found["config"], found["config_hash"], found["prompts_hash"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableDataset(f"{path} is damaged ({error}); choose another folder.") from error
    if old_hash != new_hash:
        names = sorted(name for name in old.keys() | config.keys() if old.get(name) != config.get(name))
        changes = "; ".join(
            f"{name} was {_short(old.get(name))}, is {_short(config.get(name))}" for name in names
        )
        raise ConfigChanged(
            f"{folder} holds a job of configuration {old_hash[:12]}, but this one's is {new_hash[:12]} "
            f"({changes}); choose another folder, or the old values."
        )
    if old_prompts != prompts.hash:
        raise ConfigChanged(
            f"{folder} holds a job over prompts {old_prompts[:12]}, but their source gives "
            f"{prompts.hash[:12]} now; choose another folder, or the old source."
        )


def _commit(
    job: WriteJob, config_hash: str, prompts: Prompts, ledger: Ledger, writer: Writer
) -> dict[str, Any]:
    """Publish what there is: ledger, triplets, and last the manifest, which makes them count."""
    lines = settled(ledger)
    rows = "".join(f"{canonical_json(row.to_json())}\n" for row in _rows(lines, prompts, writer)).encode()
    whole = to_bytes(lines)
    by_outcome = dict(outcomes(lines, final=True))
    missing = len(prompts.texts) - sum(by_outcome.values())
    if missing:
        by_outcome["not_asked"] = missing
    tokens = [sum(line.prompt_tokens for line in lines), sum(line.completion_tokens for line in lines)]
    prices = job.known_prices() if job.writer == "openai" else None
    manifest = {
        "bytes": len(rows),
        "complete": not missing,
        "completion_tokens": tokens[1],
        "config_hash": config_hash,
        "dropped": dict(prompts.dropped),
        "ledger_sha256": hash_bytes(whole),
        "money": round(prices.of(*tokens), 9) if prices else None,
        "outcomes": by_outcome,
        "prompt_tokens": tokens[0],
        "prompts": len(prompts.texts),
        "requests": dict(outcomes(lines, final=False)),
        "sha256": hash_bytes(rows),
        "triplets": by_outcome.get(ACCEPTED, 0),
    }
    if not missing:  # until then the order in which answers came tells a failing server from a failing prompt
        write_atomically(job.out / LEDGER_FILE, whole)
    write_atomically(job.out / TRIPLETS_FILE, rows)
    write_json(job.out / MANIFEST_FILE, manifest)
    return manifest


def _rows(lines: Sequence[Line], prompts: Prompts, writer: Writer) -> Iterator[TripletRow]:
    """Yield the accepted triplets, in the order of their prompts."""
    for line in lines:
        if line.outcome == ACCEPTED:
            yield TripletRow(
                id=f"{line.number:08d}",
                triplet=EditTriplet(
                    original_prompt=prompts.texts[line.number],
                    edit_prompt=line.edit_prompt,
                    edited_prompt=line.edited_prompt,
                ),
                known=writer.known(line.number) if isinstance(writer, SceneWriter) else {},
            )


def _is_whole(folder: Path, manifest: Mapping[str, Any]) -> bool:
    """Say whether a job is complete, and its files are what its manifest says."""
    files = {TRIPLETS_FILE: "sha256", LEDGER_FILE: "ledger_sha256"}
    return manifest["complete"] and all(
        (folder / name).exists() and hash_file(folder / name) == manifest[key] for name, key in files.items()
    )


def _report(manifest: Mapping[str, Any], requests_now: int) -> WriteReport:
    """Return a manifest as a report."""
    fields = {name: manifest[name] for name in WriteReport.__dataclass_fields__ if name in manifest}
    return WriteReport(**fields, requests_now=requests_now)


def _short(value: Any) -> str:
    """Return a value as a person wants to read it: hashes by their beginning."""
    return value[:12] if isinstance(value, str) else str(value)
