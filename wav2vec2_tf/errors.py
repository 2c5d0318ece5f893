"""What a user can mend."""

from __future__ import annotations


class UserError(ValueError):
    """Bad input: the message is one line that says what is wrong and what to do about it.

    Programs print it on standard error and exit with status 1; nothing else is printed.
    """
