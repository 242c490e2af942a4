"""Telit."""

from drivers.modem.vendors.model import DataCall, Vendor

TELIT = Vendor(
    name="Telit",
    source="LE910Cx AT Commands Reference Guide r12 (#RFSTS, #ECM, #BND, #REBOOT, +WS46)",
    identity=r"telit|\b(LE9[12]0|LM9[46]0|ME[39]10|LN9[24]0)",
    usb=((0x1BC7, None),),
    products={0x1201: "LE910", 0x1206: "LE910 (ECM)"},
    signal=("AT#RFSTS", "AT+CESQ", "AT+CSQ"),
    iccid=("AT#CCID", "AT+CCID"),
    data_calls=(
        DataCall("ecm", "AT#ECM={cid},0", "AT#ECMD=0", note="after AT#USBCFG=4 and a reset"),
        DataCall("qmi"),
        DataCall("mbim"),
    ),
    rats={"auto": "AT+WS46=25", "gsm": "AT+WS46=12", "umts": "AT+WS46=22", "lte": "AT+WS46=28"},
    band_lock=("AT#BND=0,0,{mask}",),
    reset="AT#REBOOT",
    note="#BND also sets GSM and UMTS to their first sets; LE910Cx wants the LTE mask in hexadecimal",
)
