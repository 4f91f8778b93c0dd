"""Models of the Hub: which files of one are read, what is known of it before they are fetched, and fetching.

Laws: what cannot be used is said after a few lines are fetched, not after gigabytes. What is told of is what
is fetched, and what is here already is not fetched again: a fetch that was cut goes on. Without a network a
model is read where an earlier fetch left it.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from editors.errors import EditorError, IncompatibleModel, first_line
from editors.model.loading.counting import NumWeights, count, count_weights
from editors.model.loading.index import part_names
from editors.model.loading.kinds import SHARD_NUMBER, WEIGHTS, variant_of
from editors.model.loading.layout import PICKLES, quiet, read_object
from editors.model.parts import LAYOUTS

INDEX: Final = "model_index.json"
_MODULAR: Final = "modular_model_index.json"
_SHARDS: Final = ".safetensors.index"
_PATIENCE_SECONDS: Final = 10.0
_TEXTS: Final = (".json", ".txt", ".model", ".jinja")
"""Endings of what configurations, tokenizers and processors are read from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """A model of the Hub as its pages list it; nothing but its index is fetched.

    Attributes:
        name: As it was asked for: `ID`, or `ID@REVISION`.
        commit: That the revision is now.
        licence: As its card says it, or None.
        kind: The pipeline's class.
        sizes: Of the files that are read, in bytes, by their places.
    """

    name: str
    commit: str
    licence: str | None
    kind: str
    sizes: Mapping[str, int]

    def where(self, file: str) -> Path | None:
        """Return where a file lies that an earlier fetch left; None where none did."""
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(_taken_apart(self.name)[0], file, revision=self.commit)
        return Path(found) if isinstance(found, str) else None

    @property
    def missing(self) -> list[str]:
        """Files that are to be fetched."""
        return [file for file in self.sizes if self.where(file) is None]

    @property
    def num_missing_bytes(self) -> int:
        """Bytes of these."""
        return sum(self.sizes[file] for file in self.missing)

    def num_weights(self) -> dict[str, NumWeights]:
        """Count the weights of each part that has some, by the first lines of its files."""
        from huggingface_hub import HfApi

        counts: dict[str, NumWeights] = {}
        for file in (one for one in self.sizes if one.endswith(".safetensors")):
            part, there = file.partition("/")[0], self.where(file)
            if there is not None:
                own = count_weights(there)
            else:
                with _told(self.name):
                    found = HfApi().parse_safetensors_file_metadata(
                        _taken_apart(self.name)[0], file, revision=self.commit
                    )
                own = count((name, list(one.shape)) for name, one in found.tensors.items())
            counts[part] = counts.get(part, NumWeights()) + own
        return counts


Found = Listing | Path
"""What there is of a model: how the Hub lists it, or the folder that it lies in."""


def look_up(name: str) -> Found:
    """Return what the Hub knows of a model; where it says nothing, the folder that an earlier fetch left.

    Args:
        name: `ID`, or `ID@REVISION`.

    Raises:
        IncompatibleModel: There is none, it cannot be used, it is gated, or the Hub cannot be reached.
    """
    from huggingface_hub import HfApi, hf_hub_download

    repository, revision = _taken_apart(name)
    sizes: dict[str, int] = {}
    try:
        with _told(name), quiet():
            info = HfApi().model_info(
                repository, revision=revision, files_metadata=True, timeout=_PATIENCE_SECONDS
            )
            sizes |= {file.rfilename: int(file.size or 0) for file in info.siblings or ()}
            index = hf_hub_download(repository, INDEX, revision=revision) if INDEX in sizes else None
    except IncompatibleModel:
        if (there := left_by_an_earlier_fetch(name)) is not None:
            return there
        raise
    if index is None:
        raise IncompatibleModel(f"{name}: {_what_else(sizes)}; give a model in the layout of {LAYOUTS}.")
    facts = read_object(Path(index), name)
    names = part_names(facts, name)
    read = files_to_read(sizes, names, name)
    return Listing(
        name=name,
        commit=str(info.sha),
        licence=licence_of(info.card_data),
        kind=str(facts.get("_class_name")),
        sizes={file: sizes[file] for file in read},
    )


def fetch(name: str, found: Found | None = None) -> Path:
    """Fetch a model, as far as it is not here, and return its folder.

    Args:
        name: `ID`, or `ID@REVISION`.
        found: What `look_up` said of it; None asks.

    Raises:
        IncompatibleModel: As for `look_up`, or the fetch was cut off.
    """
    from huggingface_hub import snapshot_download

    found = look_up(name) if found is None else found
    if isinstance(found, Path):
        return found
    there, (repository, _) = found.where(INDEX), _taken_apart(name)
    if there is not None and not found.missing:
        return there.parent
    # huggingface_hub shows how far it is, on standard error.
    with _told(name, "try again: what is here already is not fetched twice"):
        return Path(snapshot_download(repository, revision=found.commit, allow_patterns=list(found.sizes)))


def left_by_an_earlier_fetch(name: str) -> Path | None:
    """Return the folder of a model that was fetched before; None where it was not."""
    from huggingface_hub import try_to_load_from_cache

    repository, revision = _taken_apart(name)
    found = try_to_load_from_cache(repository, INDEX, revision=revision)
    return Path(found).parent if isinstance(found, str) else None


def files_to_read(files: Iterable[str], names: Iterable[str], name: str) -> list[str]:
    """Return the files of a model that are read: its index, and of each part one variant of its weights.

    Args:
        files: That there are.
        names: Of the parts.
        name: The model's, for the sentence.

    Raises:
        IncompatibleModel: A part has no file, or has weights that are not in safetensors.
    """
    there = sorted(files)
    chosen = [INDEX]
    for part in names:
        own = [file for file in there if file.startswith(f"{part}/")]
        if not own:
            raise IncompatibleModel(f"{name}: lacks its {part}; give a model in the layout of {LAYOUTS}.")
        texts = [file for file in own if file.endswith(_TEXTS) and ".index." not in file]
        if part.startswith(("tokenizer", "scheduler")) or part.endswith("processor"):
            chosen += texts
            continue
        safe = [Path(file).name for file in own if file.endswith(".safetensors")]
        variant = variant_of(safe, f"{name}: its {part}")
        weights = [file for file in own if is_of_variant(variant, Path(file).name)]
        if not any(file.endswith(".safetensors") for file in weights):
            raise IncompatibleModel(
                f"{name}: its {part} has no weights in safetensors, which alone are read; give another model."
            )
        chosen += [*texts, *weights]
    return chosen


def licence_of(card: Any) -> str | None:
    """Return the licence that a model's card names, by its own name where it is none of the usual ones.

    Args:
        card: What huggingface_hub calls a card's data, or None.
    """
    said = getattr(card, "license_name", None) or getattr(card, "license", None)
    return said.strip() if isinstance(said, str) and said.strip() else None


def is_of_variant(variant: str | None, file: str) -> bool:
    """Say whether a file holds weights, or says which shard holds which, of a variant."""
    begin, index, end = file.partition(_SHARDS)
    name = f"{begin}{end.removesuffix('.json')}.safetensors" if index else file
    found = WEIGHTS.fullmatch(name)
    return found is not None and SHARD_NUMBER.sub("", found["middle"]).strip(".") == (variant or "")


def _what_else(files: Mapping[str, int]) -> str:
    """Say what a repository without an index of a pipeline is."""
    if _MODULAR in files:
        return "is a modular pipeline, which is not read"
    if any("lora" in Path(file).name.lower() for file in files if file.endswith(".safetensors")):
        return "is a LoRA, which changes another model"
    if any(file.endswith((".safetensors", *PICKLES)) and "/" not in file for file in files):
        return "is no pipeline of parts; a model in a single file is to be downloaded, and its file given"
    return "holds no model_index.json, so it is no diffusion model"


def _taken_apart(name: str) -> tuple[str, str | None]:
    repository, _, revision = name.partition("@")
    return repository, revision or None


@contextmanager
def _told(name: str, remedy: str = "check the name and the network, or use pocket") -> Iterator[None]:
    """Turn what a request to the Hub raises into a sentence that names the model and what to do."""
    from huggingface_hub import constants
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    repository, revision = _taken_apart(name)
    known = "run `hf auth login`, or set HF_TOKEN"
    try:
        yield
    except (EditorError, MemoryError):
        raise
    except GatedRepoError:
        raise IncompatibleModel(
            f"{name}: is gated, and you are not known to be let in; agree to its licence at "
            f"{constants.ENDPOINT}/{repository}, then {known}."
        ) from None
    except RepositoryNotFoundError:
        raise IncompatibleModel(
            f"{name}: is no folder here, and could not be fetched from the Hub, which lets nobody see such a "
            f"model; check the name, or where it is private, {known}."
        ) from None
    except RevisionNotFoundError:
        raise IncompatibleModel(f"{name}: has no revision {revision!r} on the Hub; give another.") from None
    except Exception as error:  # libraries raise what their own libraries raise, and change it
        raise IncompatibleModel(
            f"{name}: is no folder here, and could not be fetched from the Hub ({first_line(error)}); "
            f"{remedy}."
        ) from error
