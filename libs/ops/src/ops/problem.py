"""What an operator can mend: the command prints its text, without a traceback, and ends with status 1."""


class Problem(Exception):
    """Its text says what is wrong and what to do about it."""
