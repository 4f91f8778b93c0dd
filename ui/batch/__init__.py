"""Many pictures by one command: what is found, what is claimed, what is done."""
