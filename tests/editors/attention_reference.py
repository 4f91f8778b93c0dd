"""Prompt-to-Prompt as its authors describe it, with explicit maps: slow, plain, here to be compared with."""

import torch


class ExplicitAttention:
    """An attention processor that builds every map, edits those of the conditional half, and multiplies."""

    def __init__(self, name, edit):
        self.is_cross, self.edit = name.endswith("attn2"), edit

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = (
            tensor.unflatten(2, (attn.heads, -1)).transpose(1, 2)
            for tensor in (attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context))
        )
        maps = torch.softmax(query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5, dim=-1)
        half = len(maps) // 2
        conditional = self.edit(maps[half:], self.is_cross)
        out = torch.cat((maps[:half], conditional)) @ value
        return attn.to_out[0](out.transpose(1, 2).flatten(2))


class OfficialEdit:
    """The authors' controllers in one: replace or refine, then re-weight, within windows."""

    def __init__(self, *, mapper=None, alphas=None, equalizer=None, cross=None, self_steps=(0, 0), limit=0):
        self.mapper, self.alphas, self.equalizer = mapper, alphas, equalizer
        self.cross, self.self_steps, self.limit = cross, self_steps, limit
        self.step, self.seen = 0, []

    def __call__(self, maps, is_cross):
        original, edited = maps
        if is_cross:
            taken = original
            if self.mapper is not None and self.alphas is None:
                taken = torch.einsum("hpw,wn->hpn", original, self.mapper)
            elif self.mapper is not None:
                taken = original[:, :, self.mapper] * self.alphas + edited * (1 - self.alphas)
            if self.equalizer is not None:
                taken = taken * self.equalizer
            alpha = self.cross[self.step]
            edited = taken * alpha + (1 - alpha) * edited
        elif self.self_steps[0] <= self.step < self.self_steps[1] and original.shape[1] <= self.limit:
            edited = original
        self.seen.append((is_cross, torch.stack((original, edited))))
        return torch.stack((original, edited))
