"""FlowEdit: from the picture straight to its edit, by the difference of what the network says of both.

Reference: Vladimir Kulikov, Matan Kleiner, Inbar Huberman-Spiegelglas, Tomer Michaeli, "FlowEdit:
Inversion-Free Text-Based Editing Using Pre-Trained Flow Models" (2024, arXiv 2412.08629), Alg. 1, for models
that predict noise: with x = √ᾱ·(X + σ·n) for the picture X, n drawn anew at every level, and
x' = √ᾱ·(Z + σ·n) for the edit Z, their step Z += Δσ·(ε(x') − ε(x)) is DDIM's step of x' plus what DDIM's step
of x misses the next level by.
"""

from typing import Final

from editors.prompt_to_prompt.inversion.noised import Noised

METHOD: Final = Noised("flow_edit", is_stochastic=False)
