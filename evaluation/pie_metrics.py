"""The figures of PIE-Bench, as its authors compute them.

References: Xuan Ju et al., "Direct Inversion" (2023, arXiv 2310.01506), for the protocol; Narek Tumanyan,
Omer Bar-Tal, Shai Bagon, Tali Dekel, "Splicing ViT Features for Semantic Appearance Transfer" (2022, arXiv
2201.00424), eq. 4, for the structure distance, on DINO (Mathilde Caron et al., 2021, arXiv 2104.14294);
Richard Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (2018, arXiv
1801.03924) for LPIPS; Jack Hessel et al., "CLIPScore" (2021, arXiv 2104.08718).

As published: what may change is painted black in both pictures and still counts, so figures of the
background are figures of whole frames; DINO sees levels up to 255 where it was trained on up to 1.

Law: a figure whose model or library is not there is not measured, and the reason is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dataset_builder.render.clip import Scorer
from editors.errors import InvalidEdit, first_line
from editors.model.devices import choose_device
from editors.model.loading.layout import quiet
from evaluation.figures import psnr

STRUCTURE, PSNR, LPIPS, MSE, SSIM = "structure_distance", "psnr", "lpips", "mse", "ssim"
CLIP_WHOLE, CLIP_EDITED = "clip_whole", "clip_edited"
METRICS: Final = (STRUCTURE, PSNR, LPIPS, MSE, SSIM, CLIP_WHOLE, CLIP_EDITED)
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_SSIM_SIGMA: Final = 1.5
_SSIM_MIN_SIDE: Final = 11

Pixels = NDArray[np.uint8]
Compare = Callable[[Pixels, Pixels], float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """Two pictures to compare, and what the edit was about.

    Attributes:
        source: The picture, (H, W, 3) uint8.
        edited: After the edit, (H, W, 3) uint8.
        region: Where it may change, (H, W).
        prompt: What should be seen.
    """

    source: Pixels
    edited: Pixels
    region: NDArray[np.bool_]
    prompt: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PieMetrics:
    """All figures that can be measured here.

    Attributes:
        structure: Structure distance of two pictures, or None.
        lpips: LPIPS of two pictures, or None.
        ssim: SSIM of two pictures, or None.
        scorer: A CLIP, or None.
        models: Figure -> the model or library that measures it.
        missing: Figure -> why it is not measured.
    """

    structure: Compare | None
    lpips: Compare | None
    ssim: Compare | None
    scorer: Scorer | None
    models: Mapping[str, str]
    missing: Mapping[str, str]

    @classmethod
    def load(cls, *, dino: str, clip: str, device: str | None = None) -> PieMetrics:
        """Load the models that are to be had.

        Args:
            dino: Folder or Hub id of a ViT; the published one is facebook/dino-vitb8.
            clip: "pocket", folder or Hub id of a CLIP; the published one is openai/clip-vit-large-patch14.
            device: Where to compute; None takes the best there is.
        """
        models, missing = {PSNR: "formula", MSE: "formula"}, {}
        found: dict[str, Any] = {}
        loaders: dict[str, tuple[str, Callable[[], Any], tuple[str, ...]]] = {
            "structure": (dino, lambda: dino_structure(dino, device), (STRUCTURE,)),
            "lpips": ("lpips, SqueezeNet", lambda: package_lpips(device), (LPIPS,)),
            "ssim": ("scikit-image", package_ssim, (SSIM,)),
            "scorer": (clip, lambda: Scorer.from_pretrained(clip, device=device), (CLIP_WHOLE, CLIP_EDITED)),
        }
        for part, (name, load, figures) in loaders.items():
            try:
                found[part] = load()
                models.update(dict.fromkeys(figures, name))
            except (InvalidEdit, MemoryError):  # of the device that was asked for; of the machine
                raise
            except Exception as error:  # noqa: BLE001 - what cannot be loaded is told, whatever it is
                found[part] = None
                missing.update(dict.fromkeys(figures, f"{name}: {first_line(error)}"))
        return cls(**found, models=models, missing=missing)

    def measure(self, case: Compared) -> dict[str, float | None]:
        """Return the figures of one edit; None where one is not measured.

        The background has none where all of the picture may change.
        """
        keep = ~case.region[..., None]
        source, edited = case.source * keep, case.edited * keep
        has_rest = bool(keep.any())
        level = (source.astype(np.float64) - edited.astype(np.float64)) / 255
        whole, inside = self._clip(case)
        return {
            STRUCTURE: self.structure(case.source, case.edited) if self.structure else None,
            PSNR: psnr(edited, source) if has_rest else None,
            LPIPS: self.lpips(source, edited) if self.lpips and has_rest else None,
            MSE: float(np.square(level).mean()) if has_rest else None,
            SSIM: self.ssim(source, edited) if self.ssim and has_rest and _is_wide(source) else None,
            CLIP_WHOLE: whole,
            CLIP_EDITED: inside,
        }

    def _clip(self, case: Compared) -> tuple[float | None, float | None]:
        """Return 100·max(cos, 0) of the picture, and of its edited region on black, with the whole prompt."""
        if self.scorer is None:
            return None, None
        pictures = np.stack([case.edited, case.edited * case.region[..., None]])
        scores = self.scorer.image_features(pictures) @ self.scorer.text_features([case.prompt])[0]
        whole, inside = (100 * scores.clamp(min=0)).tolist()
        return whole, inside


def dino_structure(name: str, device: str | None = None) -> Compare:
    """Return the structure distance: how the similarities among a ViT's last keys differ.

    ‖S(a) − S(b)‖² / T², S_ij = cos(k_i, k_j) of the T keys of the last layer, all heads side by side.

    Args:
        name: Folder or Hub id of a ViT of transformers, in safetensors.
        device: Where to compute; None takes the best there is.

    Raises:
        OSError: There is none.
        ValueError: It is none.
    """
    from transformers import ViTModel

    with quiet():
        model, info = ViTModel.from_pretrained(
            name, add_pooling_layer=False, use_safetensors=True, output_loading_info=True
        )
    if info["missing_keys"]:
        raise ValueError(f"lacks {len(info['missing_keys'])} weights of a ViT")
    model = model.eval().requires_grad_(False).to(choose_device(device))
    side, patch = model.config.image_size, model.config.patch_size

    def similarities(picture: Pixels) -> Tensor:
        levels = torch.from_numpy(picture).permute(2, 0, 1)[None].float()  # (1, 3, H, W) in [0, 255]
        scale = side / min(levels.shape[-2:])
        size = [max(patch, round(length * scale) // patch * patch) for length in levels.shape[-2:]]
        levels = F.interpolate(levels, size, mode="bilinear", antialias=True)
        mean, std = (levels.new_tensor(values)[:, None, None] for values in (_IMAGENET_MEAN, _IMAGENET_STD))
        last = model.layers[-1]
        states = model(
            ((levels - mean) / std).to(model.device), interpolate_pos_encoding=True, output_hidden_states=True
        ).hidden_states[-2]  # (1, T, D), what the last layer reads
        keys = F.normalize(last.attention.k_proj(last.layernorm_before(states))[0], dim=-1)  # (T, D)
        return keys @ keys.T

    @torch.inference_mode()
    def distance(source: Pixels, edited: Pixels) -> float:
        return float(F.mse_loss(similarities(edited), similarities(source)))

    return distance


def package_lpips(device: str | None = None) -> Compare:
    """Return LPIPS on SqueezeNet, from its authors' package.

    Raises:
        ImportError: The package is not installed, or torchvision, which it needs.
    """
    import lpips

    model = lpips.LPIPS(net="squeeze", verbose=False).eval().requires_grad_(False).to(choose_device(device))

    @torch.inference_mode()
    def distance(source: Pixels, edited: Pixels) -> float:
        tensors = [
            torch.from_numpy(picture).permute(2, 0, 1)[None].float().to(choose_device(device)) / 127.5 - 1
            for picture in (source, edited)
        ]
        return float(model(*tensors))

    return distance


def package_ssim() -> Compare:
    """Return SSIM as published, of colours, over the windows that lie inside the picture.

    Raises:
        ImportError: scikit-image is not installed.
    """
    from skimage.metrics import structural_similarity

    def similarity(source: Pixels, edited: Pixels) -> float:
        first, second = (picture.astype(np.float64) / 255 for picture in (source, edited))
        return float(
            structural_similarity(
                first,
                second,
                data_range=1,
                channel_axis=2,
                gaussian_weights=True,
                sigma=_SSIM_SIGMA,
                use_sample_covariance=False,
            )
        )

    return similarity


def _is_wide(picture: Pixels) -> bool:
    """Tell whether a window of SSIM fits into a picture."""
    return min(picture.shape[:2]) >= _SSIM_MIN_SIDE
