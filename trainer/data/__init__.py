"""What a step sees: samples, their views, their latents, and which numbers are drawn for them."""
