"""`python -m parties` runs the service."""

from parties.main import main

main()
