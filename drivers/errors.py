"""The root of every error that this project raises on purpose.

An error says *what* went wrong, *where* (a file and line, a namespace, a device), and the *mend*: what the reader can
do about it.  The exit code of the command line is a property of the error's type (see :mod:`testbed.errors`).
"""


class TestbedError(Exception):
    """Something went wrong that the user should read as a sentence, never as a traceback."""

    __test__ = False  # the name begins with "Test"; pytest must not collect it
    exit_code = 3

    def __init__(self, what: str, *, where: str | None = None, mend: str | None = None) -> None:
        self.what = what
        self.where = where
        self.mend = mend
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}\n  mend: {self.mend}" if self.mend else text


class DriverError(TestbedError):
    """A host, link or radio did not do what it was asked: the bench's fault, not the product's."""
