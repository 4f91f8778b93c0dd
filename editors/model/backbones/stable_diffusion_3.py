"""Stable Diffusion 3 and 3.5: a transformer in which words and picture attend in one.

References: Patrick Esser et al., "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis"
(2024, arXiv 2403.03206), as diffusers' StableDiffusion3Pipeline carries it out.

Laws: a drawn picture is that of the pipeline, to rounding. Three encoders read a prompt: the states of the
first two stand side by side, those of the third, which may be missing, behind them.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final

from torch import Tensor

from editors.checks import shortened
from editors.errors import IncompatibleModel
from editors.model.attention import AttentionControl
from editors.model.backbones.joint_model import JointModel
from editors.model.conditioning import Conditioning
from editors.model.flow_matching import FlowSteps
from editors.model.network import Network
from editors.model.text import TextReader
from editors.model.threads import threads_that_pay
from editors.model.tokens import JoinedPrompt, Prompt, TokenizedPrompt

_MAX_TOKENS: Final = 256
"""That the third encoder reads of a prompt; where it is missing, as many zeros stand for it."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PatchNetwork(Network):
    """A transformer that cuts latents into tokens itself.

    Attributes:
        patch: Latents to a side of a token.
    """

    patch: int

    def predict(
        self,
        latents: Tensor,
        timestep: Tensor,
        conditioning: Conditioning,
        *,
        picture: Tensor | None = None,
        references: Sequence[Tensor] = (),
        control: AttentionControl | None = None,
        step: int = 0,
    ) -> Tensor:
        """Call the network once; see `Network.predict`."""
        if picture is not None or references:
            raise IncompatibleModel("Stable Diffusion 3 is told no picture; give a model that edits.")
        tokens = latents[..., :: self.patch, :: self.patch]
        threads = nullcontext() if self.module.training else threads_that_pay(self.module, tokens)
        steered = None if control is None else {"control": control, "step": step}
        with threads:
            output: Tensor = self.module(
                hidden_states=latents.to(self.dtype),
                timestep=timestep.expand(len(latents)),
                encoder_hidden_states=conditioning.states,
                pooled_projections=conditioning.pooled,
                joint_attention_kwargs=steered,
                return_dict=False,
            )[0]
        return output.float()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StableDiffusion3(JointModel):
    """A model of Stable Diffusion 3 or 3.5."""

    patch = 2
    lora_parts = ("transformer", "text_encoder", "text_encoder_2")

    def __post_init__(self) -> None:
        """Require parts that fit each other.

        Raises:
            IncompatibleModel: The sentence says which do not.
        """
        c, config = self.latent_channels, self.unet.config
        if (config.in_channels, config.out_channels, config.patch_size) != (c, c, self.patch):
            raise IncompatibleModel(
                f"{self.name}: the transformer takes {config.in_channels} channels and gives "
                f"{config.out_channels}, its autoencoder has {c}; give a folder that save_pretrained() of a "
                "StableDiffusion3Pipeline wrote."
            )

    @property
    def text(self) -> TextReader:
        """All tokenizers and text encoders."""
        pipe = self.pipeline
        pairs = [
            (pipe.tokenizer, pipe.text_encoder),
            (pipe.tokenizer_2, pipe.text_encoder_2),
            *([] if pipe.text_encoder_3 is None else [(pipe.tokenizer_3, pipe.text_encoder_3)]),
        ]
        tokenizers, text_encoders = zip(*pairs, strict=True)
        return TextReader(tokenizers=tokenizers, text_encoders=text_encoders)

    @property
    def network(self) -> Network:
        """The network, behind its border."""
        return PatchNetwork(self.unet, patch=self.patch)

    @property
    def max_side(self) -> int | None:
        """Pixels of the longest side that the transformer knows places for."""
        return int(self.unet.config.pos_embed_max_size) * self.size_step

    def new_scheduler(self, size: tuple[int, int] | None = None) -> FlowSteps:
        """Return a fresh copy of the scheduler, whose noise levels are its own."""
        steps = super(StableDiffusion3, self).new_scheduler(size)
        steps.has_own_levels = True
        return steps

    def tokenize(self, field: str, prompt: str) -> Prompt:
        """Return a prompt as the network reads it: as the first two encoders see it, then the third.

        Where there is a third, it is enough that it reads all of it.
        """
        pipe = self.pipeline
        pair = TextReader(
            tokenizers=(pipe.tokenizer, pipe.tokenizer_2),
            text_encoders=(pipe.text_encoder, pipe.text_encoder_2),
        )
        first = pair.tokenize(field, prompt, may_cut=pipe.text_encoder_3 is not None)
        third = (
            TokenizedPrompt(field=field, text=first.text, ids=(), spans=(), first=0, num_tokens=_MAX_TOKENS)
            if pipe.text_encoder_3 is None
            else TokenizedPrompt.of(prompt, pipe.tokenizer_3, num_tokens=_MAX_TOKENS, field=field)
        )
        return JoinedPrompt(parts=(first, third))

    def require_readable(self, field: str, prompt: str) -> None:
        """Require that an encoder reads the whole of a prompt.

        Raises:
            InvalidEdit: None does.
        """
        self.tokenize(field, prompt)

    def remarks_on(self, *prompts: str) -> tuple[str, ...]:
        """Return what people should know of how prompts are read, a sentence each."""
        first = (self.tokenize("prompt", prompt).parts[0] for prompt in prompts)
        # From the beginning of the word that is cut.
        lost = [one.text[one.text.rfind(" ", 0, one.spans[-1][1] + 1) + 1 :] for one in first if one.is_cut]
        if not lost:
            return ()
        words = shortened(max(lost, key=len))
        return (f"Two of the model's three text encoders do not read “{words}”.",)

    def _read(self, prompt: str) -> tuple[Tensor, Tensor]:
        states, _, pooled, _ = self.pipeline.encode_prompt(
            prompt=prompt,
            prompt_2=None,
            prompt_3=None,
            device=self.device,
            do_classifier_free_guidance=False,
            max_sequence_length=_MAX_TOKENS,
        )
        return states, pooled
