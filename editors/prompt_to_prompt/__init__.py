"""Prompt-to-Prompt: edits by editing the prompt (Hertz et al., 2022, arXiv 2208.01626)."""
