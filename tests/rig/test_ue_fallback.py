"""A core that has never heard of seamless-ims: 420, and the UE does as release 7 did (RFC 3261 8.1.3.5; row 12)."""

from __future__ import annotations

from pathlib import Path

from living import FAR, MOVING, PORT_PAIRS, living, run

from testbed.core.core import CoreOptions


def test_the_ue_falls_back_and_dials_again_when_it_moves(tmp_path: Path) -> None:
    async def work() -> None:
        async with up.ue() as ue, up.ue(FAR) as far:
            for handle, access in ((ue, "lte"), (far, "far")):
                await handle.order("attach", access=access)
            await far.order("register", access="far")
            refused = await ue.order("register", access="lte", move="add", fallback=False, allow_refusal=True)
            assert refused["status"] == 420 and "seamless-ims" in refused["headers"]["Unsupported"]
            assert (await ue.order("register", access="lte", move="add"))["state"] == "active"
            assert (await up.heard("fallback", ue=MOVING))["access"] == "lte"
            call = (await ue.order("call", access="lte", to=up.plan.ues[FAR].impus[0]))["call_id"]
            moved = await ue.order("handoff", old="lte", order={"to": "wifi"})
            assert [said for said, _ in moved["steps"]].count("call-lost") == 1
            sessions = {each["call_id"]: each for each in (await ue.order("state"))["sessions"]}
            assert sessions.pop(call)["state"] == "ended"
            assert [(each["state"], each["over"]) for each in sessions.values()] == [("up", "wifi")]

    options = CoreOptions(profile="release7", connections=PORT_PAIRS, warm_up=False)
    with living(tmp_path, options=options) as up:
        run(work())
