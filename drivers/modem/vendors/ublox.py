"""u-blox."""

from drivers.modem.vendors.model import DataCall, Vendor

UBLOX = Vendor(
    name="u-blox",
    source="u-blox AT commands manuals: TOBY-L2/LARA-R2 (+URAT, +CFUN=16, +UIPADDR), SARA-R4 (+UBANDMASK)",
    identity=r"u-?blox|\b(TOBY|LARA|SARA|MPCI)-[LRU]",
    usb=((0x1546, None),),
    signal=("AT+CESQ", "AT+CSQ"),
    data_calls=(
        DataCall("ecm", "AT+CGACT=1,{cid}", "AT+CGACT=0,{cid}", note="bridge mode: the address is the context's"),
    ),
    rats={"auto": "AT+URAT=6", "gsm": "AT+URAT=0", "umts": "AT+URAT=2", "lte": "AT+URAT=3"},
    band_lock=("AT+UBANDMASK=0,{mask}",),
    reset="AT+CFUN=16",
    note="+URAT is refused while registered: AT+COPS=2 first; +UBANDMASK is SARA-R4's and LARA-R6's",
)
