"""Accounts of a platform -> their pseudonyms, each worked out once in a process; and paths without accounts."""

import re
from functools import lru_cache

from lake.pseudonyms import path_pseudonym, pseudonym

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


def short_pseudonym(account: str, platform: str, key: bytes) -> str:
    """What stands in the place of an account in paths and names."""
    return path_pseudonym(user_ids(platform, key)[account] or "")


def without_account(path: str, account: str, platform: str, key: bytes) -> str:
    """A path in which a pseudonym stands for an account, in any case of letters, and for what stands before the @ of one that is an e-mail address.

    Only where it is a word: "Ada" is not taken out of "Canada", but out of "ada_comments".
    """
    names = {account, account.partition("@")[0]} - {""}
    as_word = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    return re.sub(rf"(?<![^\W_])(?:{as_word})(?![^\W_])", short_pseudonym(account, platform, key), path, flags=re.IGNORECASE) if names else path
