"""Tasks: a model, its data and its loss, for each kind that is trained."""
