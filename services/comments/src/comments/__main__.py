"""`python -m comments` runs the service."""

from comments.main import main

main()
