"""The schedulers that edits can choose among, by names for people. No library is loaded to list them."""

SCHEDULERS = {
    "ddim": "DDIMScheduler",
    "pndm": "PNDMScheduler",
    "dpm++2m": "DPMSolverMultistepScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler-a": "EulerAncestralDiscreteScheduler",
}
"""Name for people -> class of diffusers."""

NOISE_ONLY = ("pndm", "euler-a")
"""Those whose classes read predictions of noise and velocity, but not of the clean sample."""
