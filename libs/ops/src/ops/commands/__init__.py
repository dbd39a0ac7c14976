"""One module per command of `matinee`."""
