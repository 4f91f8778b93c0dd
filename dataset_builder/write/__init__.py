"""Original prompts to edit triplets: exactly, from drawn scenes, or by a language model."""
