"""What each person watches, and how far they are."""
