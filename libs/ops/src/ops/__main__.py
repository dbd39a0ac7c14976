"""`python -m ops` is the `matinee` command."""

from ops.cli import main

main()
