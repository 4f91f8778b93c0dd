"""Toy models built from the real classes, offline: seconds become milliseconds, nothing else changes.

Three families, as the editors meet them: "clip" is Stable Diffusion's layout (BPE, CLIP text model, a VAE of
4 channels), "bert" is pocket's (WordPiece, BERT with its attention mask, a VAE of 16 channels, v-prediction),
and "xl" is Stable Diffusion XL's (two CLIP text encoders, told sizes, a finest level without attention).
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLInstructPix2PixPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from PIL import Image
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

Text = Literal["clip", "bert", "xl"]
Prediction = Literal["epsilon", "v_prediction", "sample"]

SCHEDULERS: dict[str, Any] = {
    "ddim": DDIMScheduler,
    "pndm": PNDMScheduler,
    "dpm++2m": DPMSolverMultistepScheduler,
    "euler": EulerDiscreteScheduler,
    "euler-a": EulerAncestralDiscreteScheduler,
}

WORDS = [
    "a",
    "the",
    "in",
    "on",
    "of",
    "to",
    "and",
    "with",
    "cat",
    "dog",
    "bird",
    "house",
    "snow",
    "night",
    "park",
    "beach",
    "red",
    "blue",
    "gold",
    "car",
    "tree",
    "man",
    "sitting",
    "make",
    "it",
    "turn",
    "into",
    "remove",
    "add",
    "photo",
    "painting",
    "sketch",
    "bench",
    "forest",
    "city",
    "square",
    "##s",
    "##ing",
    "##y",
]
"""Words that are one token each; any other falls into letters, so swaps can change their token count."""

NUM_WORDS_IN_WINDOW = {"clip": 77, "bert": 32, "xl": 77}


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Build with fixed weights without touching the caller's random state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def clip_tokenizer() -> CLIPTokenizer:
    """A byte-level BPE that knows `WORDS`."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = [chr(c) for c in printable] + [chr(256 + n) for n in range(256 - len(printable))]
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        pieces = [*word[:-1], f"{word[-1]}</w>"]
        for end in range(1, len(pieces)):
            merge = ("".join(pieces[:end]), pieces[end])
            if not word.startswith("##") and merge not in merges:
                merges.append(merge)
    tokens = symbols + [f"{s}</w>" for s in symbols] + list(dict.fromkeys("".join(m) for m in merges))
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    with tempfile.TemporaryDirectory() as folder:
        vocabulary, rules = Path(folder, "vocab.json"), Path(folder, "merges.txt")
        vocabulary.write_text(json.dumps({token: n for n, token in enumerate(tokens)}), encoding="utf-8")
        lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges)]
        rules.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return CLIPTokenizer(str(vocabulary), str(rules), model_max_length=NUM_WORDS_IN_WINDOW["clip"])


def bert_tokenizer() -> BertTokenizer:
    """A WordPiece tokenizer that knows `WORDS`."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'-"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters, *(f"##{c}" for c in letters)]
    with tempfile.TemporaryDirectory() as folder:
        vocabulary = Path(folder, "vocab.txt")
        vocabulary.write_text("\n".join(dict.fromkeys(tokens)) + "\n", encoding="utf-8")
        return BertTokenizer(str(vocabulary), model_max_length=NUM_WORDS_IN_WINDOW["bert"])


def second_tokenizer() -> CLIPTokenizer:
    """As Stable Diffusion XL's second: the same tokens, padded with another."""
    tokenizer = clip_tokenizer()
    tokenizer.pad_token = "!"
    return tokenizer


def second_text_encoder(vocabulary: int) -> CLIPTextModelWithProjection:
    """Narrower than the first, and it projects."""
    size = {"hidden_size": 24, "intermediate_size": 37, "num_attention_heads": 4, "num_hidden_layers": 3}
    ends = {"bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1, "pad_token_id": 0}
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        max_position_embeddings=77,
        projection_dim=20,
        hidden_act="gelu",
        **size,
        **ends,
    )
    return CLIPTextModelWithProjection(config).eval()


def text_encoder(text: Text, vocabulary: int) -> Any:
    """A text encoder of two layers, 32 wide."""
    size = {"hidden_size": 32, "intermediate_size": 37, "num_attention_heads": 4, "num_hidden_layers": 2}
    window = NUM_WORDS_IN_WINDOW[text]
    if text != "bert":
        last = vocabulary - 1
        ends = {"bos_token_id": last - 1, "eos_token_id": last, "pad_token_id": last}
        config = CLIPTextConfig(vocab_size=vocabulary, max_position_embeddings=window, **size, **ends)
        return CLIPTextModel(config).eval()
    bert = BertConfig(vocab_size=vocabulary, max_position_embeddings=window, use_attention_mask=True, **size)
    return BertModel(bert, add_pooling_layer=False).eval()


def build_scheduler(name: str, prediction: Prediction = "epsilon") -> Any:
    """Build a scheduler as Stable Diffusion's folders configure it."""
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    spacing = {"timestep_spacing": "leading", "steps_offset": 1} if name != "dpm++2m" else {}
    extra: dict[str, Any] = {
        "ddim": {"clip_sample": False, "set_alpha_to_one": False},
        "pndm": {"skip_prk_steps": True, "set_alpha_to_one": False},
    }.get(name, {})
    return SCHEDULERS[name](prediction_type=prediction, **betas, **spacing, **extra)


def components(
    *,
    kind: Literal["base", "edit"] = "edit",
    text: Text = "clip",
    scheduler: str = "ddim",
    prediction: Prediction | None = None,
    sample_size: int | None = 8,
    seed: int = 0,
) -> dict[str, Any]:
    """Build what a Stable Diffusion pipeline is made of.

    The VAE halves twice (f4), so `sample_size` 8 makes a model native to 32 px; the UNet has two levels.
    """
    latent_channels = 16 if text == "bert" else 4
    tokenizer = bert_tokenizer() if text == "bert" else clip_tokenizer()
    finest = "" if text == "xl" else "CrossAttn"  # an XL has no attention at its finest level
    told: dict[str, Any] = {
        "cross_attention_dim": 32 + 24,
        "transformer_layers_per_block": (1, 2),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + 20,
    }
    with seeded(seed):
        unet = UNet2DConditionModel(
            sample_size=sample_size,
            in_channels=latent_channels * (2 if kind == "edit" else 1),
            out_channels=latent_channels,
            block_out_channels=(16, 32),
            layers_per_block=1,
            down_block_types=(f"{finest}DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", f"{finest}UpBlock2D"),
            attention_head_dim=8,
            norm_num_groups=4,
            **(told if text == "xl" else {"cross_attention_dim": 32}),
        ).eval()
        vae = AutoencoderKL(
            block_out_channels=(8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            latent_channels=latent_channels,
            norm_num_groups=4,
            scaling_factor={"clip": 0.18215, "bert": 1.0, "xl": 0.13025}[text],
        ).eval()
        encoder = text_encoder(text, len(tokenizer))
        second = second_text_encoder(len(tokenizer)) if text == "xl" else None
    predicts = prediction or ("v_prediction" if text == "bert" else "epsilon")
    parts = {
        "tokenizer": tokenizer,
        "text_encoder": encoder,
        "vae": vae,
        "unet": unet,
        "scheduler": build_scheduler(scheduler, predicts),
    }
    return parts | ({"tokenizer_2": second_tokenizer(), "text_encoder_2": second} if second else {})


def pipeline(**options: Any) -> Any:
    """Build a bare diffusers pipeline: InstructPix2Pix for kind "edit", text-to-image for "base"."""
    kind, is_xl = options.get("kind", "edit"), options.get("text") == "xl"
    pipelines: dict[Any, Any] = {
        ("edit", False): StableDiffusionInstructPix2PixPipeline,
        ("base", False): StableDiffusionPipeline,
        ("edit", True): StableDiffusionXLInstructPix2PixPipeline,
        ("base", True): StableDiffusionXLPipeline,
    }
    unchecked = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    extra = {"add_watermarker": False} if is_xl else unchecked
    pipe = pipelines[kind, is_xl](**components(**options), **extra)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def photo(size: tuple[int, int] = (32, 32), seed: int = 0) -> Image.Image:
    """Draw a smooth random RGB picture of (width, height)."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return coarse.resize(size, Image.Resampling.BICUBIC)


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """One CPU generator per seed."""
    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
