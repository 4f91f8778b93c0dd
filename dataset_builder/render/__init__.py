"""Edit triplets to pairs of pictures: drawn by Prompt-to-Prompt, scored, filtered."""
