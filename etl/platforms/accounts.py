"""Accounts of a platform -> their pseudonyms, each worked out once in a process."""

from functools import lru_cache

from lake.pseudonyms import pseudonym

PSEUDONYMS_KEPT = 2**18
"""Of accounts met since there were as many, in each worker: some 60 MB."""


class UserIds(dict[str | None, str | None]):
    """Account -> its pseudonym, made when it is first asked for; None is nobody.

    A dict, because every author of every block is looked up: an lru_cache costs more for each.
    """

    def __init__(self, platform: str, key: bytes) -> None:
        self._platform, self._key = platform, key

    def __missing__(self, name: str | None) -> str | None:
        if len(self) >= PSEUDONYMS_KEPT:
            self.clear()
        self[name] = None if not name else pseudonym(self._key, self._platform, name)
        return self[name]


@lru_cache(4)
def user_ids(platform: str, key: bytes) -> UserIds:
    """The pseudonyms made for a platform with a key so far in this process."""
    return UserIds(platform, key)
