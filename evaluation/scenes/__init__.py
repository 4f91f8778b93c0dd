"""Evaluate pocket's models on held-out scenes, by a judge that trains nothing.

`evaluate_scenes` measures and reports; `fewest_steps` asks how few denoising steps do as well as fifty.
"""

from __future__ import annotations

from evaluation.scenes.job import SECTIONS, ScenesJob
from evaluation.scenes.run import ScenesStep, evaluate_scenes
from evaluation.scenes.steps import Setting, StepsJob, StepsReport, StepsStep, fewest_steps
from evaluation.scenes.summary import ScenesReport

__all__ = [
    "SECTIONS",
    "ScenesJob",
    "ScenesReport",
    "ScenesStep",
    "Setting",
    "StepsJob",
    "StepsReport",
    "StepsStep",
    "evaluate_scenes",
    "fewest_steps",
]
