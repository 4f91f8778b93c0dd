"""The data of a step: samples, their views, their latents, and the numbers that are drawn for them."""
