"""Sierra Wireless."""

from drivers.modem.vendors.model import DataCall, Vendor

SIERRA = Vendor(
    name="Sierra",
    source="AirPrime EM74xx/MC74xx AT Command Reference (!GSTATUS, !SELRAT, !BAND, !RESET, !SCACT); qcserial.c (USB)",
    identity=r"sierra|airprime|netgear|DW5811",
    usb=((0x1199, None), (0x413C, 0x81B6)),
    products={0x68C0: "MC73xx", 0x9071: "EM7455", 0x9079: "EM7455", 0x9091: "EM7565", 0x90D3: "EM919x"},
    signal=("AT!GSTATUS?", "AT+CESQ", "AT+CSQ"),
    iccid=("AT+ICCID", "AT!ICCID?", "AT+CCID"),
    data_calls=(
        DataCall("directip", "AT!SCACT=1,{cid}", "AT!SCACT=0,{cid}", "AT!SCACT?"),
        DataCall("mbim"),
        DataCall("qmi"),
    ),
    rats={"auto": "AT!SELRAT=00", "umts": "AT!SELRAT=01", "gsm": "AT!SELRAT=02", "lte": "AT!SELRAT=06"},
    band_lock=('AT!BAND=11,"testbed",0,{mask:X},0', "AT!BAND=11"),
    reset="AT!RESET",
    note="!BAND=11 wants AT!ENTERCND first; EM74xx and later refuse !SCACT and call over MBIM or QMI only",
)
