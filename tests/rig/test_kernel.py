"""The kernel that rig tests run on has what a rig needs."""

from testbed.rig.kernel import probe


def test_the_kernel_of_the_rig_tests_lacks_nothing_that_a_wired_rig_needs() -> None:
    assert {name: why for name, why in probe.probe().items() if why} == {}
