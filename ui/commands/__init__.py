"""One module per group of commands, each a thin reader of arguments around a call of the packages below."""
