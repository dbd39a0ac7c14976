"""`python -m library` runs the service."""

from library.main import main

main()
