"""What every modem should know: 3GPP TS 27.007."""

from drivers.modem.vendors.model import DataCall, Vendor

GENERIC = Vendor(
    name="generic",
    source="3GPP TS 27.007: 5.9 (+WS46), 8.2 (+CFUN), 8.69 (+CESQ), 10.1.10 (+CGACT)",
    data_calls=(
        DataCall("ecm", "AT+CGACT=1,{cid}", "AT+CGACT=0,{cid}"),
        DataCall("ppp", "ATD*99***{cid}#", "ATH", note="on a port of its own, by pppd"),
    ),
    rats={"auto": "AT+WS46=25", "gsm": "AT+WS46=12", "umts": "AT+WS46=22", "lte": "AT+WS46=28"},
)
