"""The noise that a model would have drawn a given picture from, so that the picture can be edited.

Each method is a module of its name with one value, `METHOD`; `methods` lists them. A step of DDIM is
x' = a·x + b·o for whatever the model's output o means (noise, v or the clean latents), so one pair (a, b) per
step serves all of them, zero-terminal-SNR schedules too; inverted, x = (x' − b·o) / a with o taken at x'.

Laws: every method ends at the picture's latents; the model's weights and their gradients are never touched.
"""
