"""Requests: edits, their rules, settings and recipes. No module of this room imports torch."""
