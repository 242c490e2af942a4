"""Fibocom."""

from drivers.modem.vendors.model import DataCall, Vendor

FIBOCOM = Vendor(
    name="Fibocom",
    source="L8-Family and FG/FM AT Commands Manuals (+XCESQ, +GTRNDIS, +GTACT, +CFUN=15)",
    identity=r"fibocom|\b(L8[1356]0|FM1\d\d|FM350|NL668|FG1\d\d)",
    usb=((0x2CB7, None), (0x8087, 0x095A)),
    products={0x0007: "L850-GL"},
    signal=("AT+XCESQ?", "AT+CESQ", "AT+CSQ"),
    iccid=("AT+ICCID", "AT+CCID"),
    data_calls=(
        DataCall("rndis", "AT+GTRNDIS=1,{cid}", "AT+GTRNDIS=0,{cid}"),
        DataCall("ecm", "AT+GTRNDIS=1,{cid}", "AT+GTRNDIS=0,{cid}"),
        DataCall("mbim"),
    ),
    rats={"auto": "AT+GTACT=10", "umts": "AT+GTACT=1", "lte": "AT+GTACT=2", "nr": "AT+GTACT=14"},
    band_lock=("AT+GTACT=2,,,{bands}",),
    first_band=100,
    reset="AT+CFUN=15",
    note="L850 and L860 select by +XACT in place of +GTACT",
)
