"""One title of one person: what they watched of it, and what they decided about it."""
