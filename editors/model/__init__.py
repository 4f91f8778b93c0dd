"""The border to the network: everything that knows how a diffusion model is built, called and read."""
