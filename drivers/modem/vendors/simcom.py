"""SIMCom."""

from drivers.modem.vendors.model import DataCall, Vendor

SIMCOM = Vendor(
    name="SIMCom",
    source="SIM7500_SIM7600 Series AT Command Manual V2.00 (+CPSI, +CNMP, +CNBP, +CRESET, $QCRMCALL); option.c (USB)",
    identity=r"simcom|\bSIM[78]\d{3}",
    usb=((0x1E0E, None),),
    products={0x9001: "SIM7600", 0x9011: "SIM7600 (RNDIS)"},
    signal=("AT+CPSI?", "AT+CESQ", "AT+CSQ"),
    iccid=("AT+CICCID", "AT+CCID"),
    data_calls=(
        DataCall("rmnet", "AT$QCRMCALL=1,{cid}", "AT$QCRMCALL=0,{cid}"),
        DataCall("rndis", "AT$QCRMCALL=1,{cid}", "AT$QCRMCALL=0,{cid}", note="after AT+CUSBPIDSWITCH=9011,1,1"),
        DataCall("ecm", "AT$QCRMCALL=1,{cid}", "AT$QCRMCALL=0,{cid}", note="after AT+CUSBPIDSWITCH=9018,1,1"),
        DataCall("qmi"),
    ),
    rats={"auto": "AT+CNMP=2", "gsm": "AT+CNMP=13", "umts": "AT+CNMP=14", "lte": "AT+CNMP=38", "nr": "AT+CNMP=71"},
    band_lock=("AT+CNBP=0xFFFFFFFF7FFFFFFF,0x{mask:016X}",),
    reset="AT+CRESET",
)
