"""Orders to a medium in another process: what they move, and what is refused with words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.errors import DriverError
from drivers.virtual.air import Air, Radio
from drivers.virtual.medium import Medium
from drivers.virtual.medium_orders import Client, Server

LINK = frozenset(("ap1", "ue"))


def play(folder: Path, scene: Callable[[Client, Air], None]) -> None:
    """The scene in a thread of its own, the medium's end in the loop; no radio is needed for orders."""

    async def run() -> None:
        air = Air({"ap1": Radio("ap1"), "ue": Radio("ue")}, losses_db={LINK: 60.0})
        server = Server(Medium(air, {}), str(folder / "orders"))
        client = Client(folder / "orders")
        try:
            await asyncio.to_thread(scene, client, air)
        finally:
            client.close()
            server.close()
        assert list(folder.iterdir()) == []

    asyncio.run(run())


def test_an_attenuator_in_another_process(tmp_path: Path) -> None:
    def scene(client: Client, air: Air) -> None:
        lever = client.attenuator([("ap1", "ue")])
        assert lever.set_attenuation_db(12.3) == 12.25
        assert lever.attenuation_db() == air.attenuation_db(LINK) == 12.25
        with pytest.raises(DriverError, match="200 dB is out of range"):
            lever.set_attenuation_db(200)

    play(tmp_path, scene)


def test_an_access_points_power_is_an_attenuator_too(tmp_path: Path) -> None:
    def scene(client: Client, air: Air) -> None:
        lever = client.power("ap1")
        assert lever.attenuation_db() == 0
        assert lever.set_attenuation_db(15) == 15
        assert air.signal_dbm("ap1", "ue", 2412) == -55
        assert air.signal_dbm("ue", "ap1", 2412) == -40

    play(tmp_path, scene)


def test_a_radio_is_mute_off_and_moved(tmp_path: Path) -> None:
    def scene(client: Client, air: Air) -> None:
        radio = air.radios["ap1"]
        client.order("mute", radio="ap1", on=True)
        assert (radio.mute, radio.deaf) == (True, False)
        client.order("off", radio="ap1", on=True)
        assert (radio.mute, radio.deaf) == (True, True)
        client.order("off", radio="ap1", on=False)
        assert (radio.mute, radio.deaf) == (False, False)
        client.order("move", radio="ap1", place_m=[3, 4])
        assert radio.place_m == (3, 4)

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("verb", "values"),
    [
        ("dance", {"radio": "ap1"}),
        ("mute", {"radio": "ap9", "on": True}),
        ("mute", {"radio": "ap1"}),
        ("attenuate", {"links": [["ap1", "ap9"]], "db": 1}),
        ("attenuate", {"links": [["ap1", "ue"]], "db": "much"}),
        ("attenuate", {"links": [], "db": 1}),
        ("move", {"radio": "ue", "place_m": [1]}),
    ],
)
def test_an_order_that_is_none_is_refused_and_the_next_one_served(
    tmp_path: Path, verb: str, values: dict[str, object]
) -> None:
    def scene(client: Client, _: Air) -> None:
        with pytest.raises(DriverError) as raised:
            client.order(verb, **values)
        assert raised.value.where is not None
        assert client.order("attenuation", links=[["ap1", "ue"]]) == {"db": 0.0}

    play(tmp_path, scene)


def test_a_medium_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DriverError, match="virtual medium: is not there"):
        Client(tmp_path / "orders")
