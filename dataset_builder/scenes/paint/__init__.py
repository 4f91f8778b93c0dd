"""The painters: a scene becomes a picture. What can be said of a scene is in `vocabulary`."""
