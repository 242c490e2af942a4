"""`testbed subscriber`: what it keeps, and that keys stay where they are."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from testbed.cli.subscriber import subscriber
from testbed.errors import UsageError

IMPI = "user1_private@home1.net"
# TS 35.208 test set 1: K, OP and the OPc they give.
K, OP = "465b5ce8b199b49faa5f0a2ee238a6bc", "cdc202d5123e20f62b6d676ac72cb318"
OPC = "cd63cb71954a9f4e48a5994e37a02baf"


def call(*arguments: str, store: Path, keys: str | None = None) -> Result:
    result = CliRunner().invoke(subscriber, [*arguments, "--store", str(store)], input=keys)
    if isinstance(result.exception, UsageError):
        raise result.exception
    return result


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "subscribers.db"


def test_a_subscriber_is_added_listed_and_removed(store: Path) -> None:
    call("add", IMPI, "sip:a@home1.net", "sip:b@home1.net", "--random", store=store)
    (record,) = json.loads(call("list", "--json", store=store).stdout)
    assert (record["impi"], record["impus"]) == (IMPI, ["sip:a@home1.net", "sip:b@home1.net"])
    assert not {"k", "opc"} & record.keys()
    call("remove", IMPI, store=store)
    assert json.loads(call("list", "--json", store=store).stdout) == []


def test_further_implicit_sets_are_given_each_by_itself(store: Path) -> None:
    sets = [["sip:a@home1.net", "sip:b@home1.net"], ["sip:c@home1.net", "sip:d@home1.net"], ["sip:e@home1.net"]]
    options = [word for one in sets[1:] for word in ("--set", ",".join(one))]
    added = call("add", IMPI, *sets[0], *options, "--random", store=store)
    assert added.output.count("public") == len(sets)  # the default identity of each
    (record,) = json.loads(call("list", "--json", store=store).stdout)
    assert record["implicit_sets"] == sets


def test_opc_is_computed_from_op_and_shown_only_when_asked_for(store: Path) -> None:
    added = call("add", IMPI, "--keys-from", "-", store=store, keys=f"k {K}\nop {OP}\n")
    assert K not in added.output and OPC not in added.output
    for shown in (call("list", store=store).output, call("show", IMPI, store=store).output):
        assert K not in shown and OPC not in shown
    record = json.loads(call("show", IMPI, "--json", "--show-secrets", store=store).stdout)
    assert (record["k"], record["opc"]) == (K, OPC)


def test_the_store_is_its_owners_alone(store: Path) -> None:
    call("add", IMPI, "--random", store=store)
    assert stat.S_IMODE(store.stat().st_mode) == 0o600


@pytest.mark.parametrize("keys", ["", f"k {K}\n", f"k {K}\nopc 12\n", f"k {K}x\nopc {OPC}\n", "password secret\n"])
def test_keys_that_are_none_are_refused_and_not_repeated(store: Path, keys: str) -> None:
    with pytest.raises(UsageError) as refused:
        call("add", IMPI, "--keys-from", "-", store=store, keys=keys)
    assert K not in str(refused.value) and "secret" not in str(refused.value)


def test_the_same_subscriber_twice_is_refused_with_the_mend(store: Path) -> None:
    call("add", IMPI, "--random", store=store)
    with pytest.raises(UsageError, match="testbed subscriber remove"):
        call("add", IMPI, "--random", store=store)


def test_one_that_is_not_there_cannot_be_removed(store: Path) -> None:
    with pytest.raises(UsageError, match="no subscriber"):
        call("remove", IMPI, store=store)
