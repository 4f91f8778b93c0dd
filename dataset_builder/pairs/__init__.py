"""Pairs on disk: anybody's, read; ours, looked through and written as others read them."""
