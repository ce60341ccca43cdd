"""The exceptions of Kindred. A message says what was found, what was expected, where, and what to do."""


class KindredError(Exception):
    """Anything that Kindred itself reports; the command line prints it without a traceback.

    Its message is for whoever runs the command. Logs and `job_runs`, which others read, get `public` instead: it quotes no path and no text of an
    input file, since either may name somebody or be somebody's words. They are the same unless two are given.
    """

    def __init__(self, message: str = "", public: str | None = None) -> None:
        super().__init__(message)
        self.public = message if public is None else public


class ConfigError(KindredError):
    """A setting that is unknown, wrong, or does not fit the lake at hand."""


class NoNamesError(ConfigError):
    """A name that cannot be looked up here: the pseudonym key of the lake is absent or another one, or the lake has nothing of the platform."""


class ContractError(KindredError):
    """A table whose rows or columns are not what its row model says."""


class UnknownIdError(KindredError):
    """An id that stands in no row of the table where it was looked up."""


class ArchiveError(KindredError):
    """Input files that cannot be read, are not what a list says, or hold more bad lines than allowed; other files of the dump may be in."""


class TeacherError(KindredError):
    """The teacher model cannot be loaded or does not answer."""


class EncoderError(KindredError):
    """No registered encoder, or one that does not fit."""


class UnreadableHistoryError(EncoderError):
    """A history of which an encoder reads nothing."""


class VectorStoreError(KindredError):
    """Milvus refuses, is not reachable, or holds another encoder's vectors."""


class NothingLoadedError(VectorStoreError):
    """A Milvus that answers, and has no load to serve."""


class ErasureError(KindredError):
    """Something of what was to be forgotten is left, or cannot be looked for."""
