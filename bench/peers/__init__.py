"""What Matinee is compared with, each a process of its own that does as little as its job allows."""
