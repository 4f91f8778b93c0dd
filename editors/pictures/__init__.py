"""Pictures of any file, and what brings an edit back to the photograph's own size and detail."""
