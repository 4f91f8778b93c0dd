"""The artwork that scenes are drawn with: which sets there are, how they are fetched, what they hold."""
