"""Errors of the controller, each with the exit code that a script may rely on.

0 passed, 1 the product failed, 2 wrong usage, 3 the bench failed, 4 the measurement is not valid.
"""

from drivers.errors import DriverError, TestbedError

__all__ = ["DriverError", "MeasurementInvalid", "ProductFailure", "RigError", "TestbedError", "UsageError"]


class UsageError(TestbedError):
    """The command line or a file given to it is wrong; nothing was started."""

    exit_code = 2


class ProductFailure(TestbedError):
    """The system under test (UE, core, procedure) did not do what the standard or the scenario expects."""

    exit_code = 1


class RigError(TestbedError):
    """The bench could not be brought up or kept up."""

    exit_code = 3


class MeasurementInvalid(TestbedError):
    """The run went through, but its figures cannot be trusted."""

    exit_code = 4
