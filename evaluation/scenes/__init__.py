"""Evaluate pocket's models on held-out scenes, by a judge that trains nothing.

`run.evaluate_scenes` measures and reports; `steps.fewest_steps` asks how few denoising steps do as well as
fifty.
"""
