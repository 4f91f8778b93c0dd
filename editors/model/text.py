"""Prompts through a model's text encoders: one, or two whose states stand side by side.

Reference: Dustin Podell et al., "SDXL: Improving Latent Diffusion Models for High-Resolution Image Synthesis"
(2023, arXiv 2307.01952), §2.1, for two encoders read before their last layer.

Law: a token is the same piece of the same word for every encoder; where words matter, other prompts are
refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from editors.checks import shortened
from editors.errors import IncompatibleModel, InvalidEdit
from editors.model.tokens import TokenizedPrompt

_LISTED = 8
"""Unknown words that a sentence names, at most."""
_AT_ONCE = 64
"""Sentences that are read together."""
_MARKS_AT_END = 1  # both families close with one mark, which stays inside the window


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TextReader:
    """One or two text encoders with their tokenizers.

    Attributes:
        tokenizers: Any of transformers.
        text_encoders: Any of transformers, one per tokenizer. A single one gives its last states; of two each
            gives those before its last layer, and the one that projects the prompt as one vector.
    """

    tokenizers: tuple[Any, ...]
    text_encoders: tuple[Any, ...]

    @property
    def width(self) -> int:
        """D, the channels of the states of all encoders together."""
        return sum(getattr(encoder.config, "hidden_size", 0) for encoder in self.text_encoders)

    @property
    def max_tokens(self) -> int:
        """T, the tokens that every encoder reads, their own marks among them."""
        positions = (
            getattr(encoder.config, "max_position_embeddings", None) for encoder in self.text_encoders
        )
        lengths = [tokenizer.model_max_length for tokenizer in self.tokenizers]
        return int(min([*lengths, *(position for position in positions if position)]))

    def cut_off(self, prompt: str) -> str:
        """Return the end of a prompt that an encoder would not read; empty where all fits."""
        lost = ""
        for tokenizer in self.tokenizers:
            encoded = tokenizer(
                prompt, truncation=False, verbose=False, return_offsets_mapping=tokenizer.is_fast
            )
            if len(encoded.input_ids) > self.max_tokens:
                first = self.max_tokens - _MARKS_AT_END
                rest = (
                    prompt[encoded.offset_mapping[first][0] :]  # as it was typed, unknown words and all
                    if tokenizer.is_fast
                    else str(tokenizer.decode(encoded.input_ids[first:-_MARKS_AT_END]))
                )
                lost = max(lost, rest.strip(), key=len)
        return lost

    def unknown(self, prompt: str) -> tuple[str, ...]:
        """Return the words of a prompt for which an encoder has no token, as they were typed.

        Tokenizers that take letters or bytes where they know no word have a token for everything.
        """
        words: dict[str, None] = {}
        for tokenizer in self.tokenizers:
            words.update((word, None) for word, is_known in _known(tokenizer, prompt) if not is_known)
        return tuple(words)

    def knows_any(self, prompt: str) -> bool:
        """Say whether an encoder has a token for any word of a prompt."""
        return any(
            is_known and any(map(str.isalnum, word))
            for tokenizer in self.tokenizers
            for word, is_known in _known(tokenizer, prompt)
        )

    def require_known(self, field: str, prompt: str) -> None:
        """Require that the text encoders know a word of a prompt.

        Raises:
            InvalidEdit: They know none.
        """
        if self.unknown(prompt) and not self.knows_any(prompt):
            raise InvalidEdit(
                field,
                f"the model knows no word of “{shortened(prompt)}”; say it in words that it "
                "learnt, English ones for most.",
            )

    def notes_on(self, prompt: str) -> tuple[str, ...]:
        """Return what people should know of how a prompt is read, a sentence each."""
        unknown = self.unknown(prompt)
        if not unknown:
            return ()
        named = ", ".join(f"“{shortened(word)}”" for word in unknown[:_LISTED])
        more = f" and {len(unknown) - _LISTED} more" if len(unknown) > _LISTED else ""
        return (f"The model does not know {named}{more}: say it in other words.",)

    def tokenize(self, field: str, prompt: str, *, may_cut: bool = False) -> TokenizedPrompt:
        """Return a prompt as the encoders see it, word by word.

        Args:
            field: What the prompt is called in the request, for errors.
            prompt: The prompt.
            may_cut: Whether the beginning will do, since another encoder reads all of it.

        Raises:
            AlignmentError: It is longer than the window.
            IncompatibleModel: A tokenizer cannot tell which characters a token stands for, or two see the
                prompt as different tokens.
        """
        first, *others = (
            TokenizedPrompt.of(prompt, tokenizer, num_tokens=self.max_tokens, field=field, may_cut=may_cut)
            for tokenizer in self.tokenizers
        )
        if any((other.spans, other.first) != (first.spans, first.first) for other in others):
            raise IncompatibleModel(
                f"The model's two tokenizers cut {field} into different tokens, so its words have no place; "
                "give a model whose tokenizers agree, as Stable Diffusion XL's do."
            )
        return first

    @torch.no_grad()
    def read(self, prompts: list[str]) -> tuple[Tensor, Tensor | None]:
        """Encode prompts, padded or cut to the window.

        Returns:
            The states, (B, T, D), and with two encoders the prompts as one vector each, (B, P).
        """
        if len(self.text_encoders) == 1:
            ids, mask = self._ids(prompts, 0)
            states: Tensor = self.text_encoders[0](ids, attention_mask=mask)[0]
            return states, None
        outputs = [
            encoder(self._ids(prompts, place)[0], output_hidden_states=True)
            for place, encoder in enumerate(self.text_encoders)
        ]
        device = outputs[0].hidden_states[-2].device
        pooled: Tensor = outputs[-1][0]  # (B, P)
        return torch.cat([output.hidden_states[-2].to(device) for output in outputs], dim=-1), pooled

    @torch.no_grad()
    def sentences(self, prompts: Sequence[str]) -> Tensor:
        """Return each prompt as one direction, (N, D) of length 1: the mean of its words' states.

        Of two encoders it is the first's.
        """
        found = []
        for start in range(0, len(prompts), _AT_ONCE):
            some = list(prompts[start : start + _AT_ONCE])
            tokens = self.tokenizers[0](
                some, padding=True, max_length=self.max_tokens, truncation=True, return_tensors="pt"
            )
            encoder = self.text_encoders[0]
            device = next(encoder.parameters()).device
            mask = tokens.attention_mask.to(device)
            states = encoder(tokens.input_ids.to(device), attention_mask=mask)[0].float()
            mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            found.append(torch.nn.functional.normalize(mean, dim=-1))
        return torch.cat(found)

    def _ids(self, prompts: list[str], place: int) -> tuple[Tensor, Tensor | None]:
        """Return token ids, (B, T), and 1 where they are no padding, for encoders that want to know."""
        encoder = self.text_encoders[place]
        tokens = self.tokenizers[place](
            prompts, padding="max_length", max_length=self.max_tokens, truncation=True, return_tensors="pt"
        )
        device = next(encoder.parameters()).device
        masked = getattr(encoder.config, "use_attention_mask", False)
        return tokens.input_ids.to(device), tokens.attention_mask.to(device) if masked else None


def _known(tokenizer: Any, prompt: str) -> list[tuple[str, bool]]:
    """Return the pieces that a tokenizer cuts a prompt into, and whether it knows each."""
    marks = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}
    unknown = tokenizer.unk_token_id
    if not tokenizer.is_fast or unknown is None or unknown in marks:
        return [(prompt, True)]
    encoded = tokenizer(prompt, truncation=False, verbose=False, return_offsets_mapping=True)
    tokens = zip(encoded.input_ids, encoded.offset_mapping, strict=True)
    return [(prompt[start:end], token != unknown) for token, (start, end) in tokens if end > start]
