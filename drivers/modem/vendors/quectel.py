"""Quectel."""

from drivers.modem.vendors.model import DataCall, Vendor

QUECTEL = Vendor(
    name="Quectel",
    source="EC25&EC21 AT Commands Manual V1.3 (+QCFG, +QCSQ, +QENG); EC200 series (+QNETDEVCTL); Linux option.c (USB)",
    identity=r"quectel|\b(EC2[015]|EG[019]|EP06|EM[01]\d|BG9|RM5|RG5)",
    usb=((0x2C7C, None),),
    products={
        0x0121: "EC21",
        0x0125: "EC25",
        0x0191: "EG91",
        0x0195: "EG95",
        0x0296: "BG96",
        0x0306: "EP06",
        0x0512: "EM12",
        0x0800: "RM500Q",
        0x0801: "RM520N",
        0x6005: "EC200A",
        0x6026: "EC200T",
    },
    signal=("AT+QCSQ", 'AT+QENG="servingcell"', "AT+CESQ", "AT+CSQ"),
    iccid=("AT+QCCID", "AT+CCID"),
    data_calls=(
        DataCall(
            "ecm", "AT+QNETDEVCTL=1,{cid},1", "AT+QNETDEVCTL=0,{cid},1", note='after AT+QCFG="usbnet",1 and a reset'
        ),
        DataCall("rmnet", "AT$QCRMCALL=1,{cid}", "AT$QCRMCALL=0,{cid}"),
        DataCall("qmi"),
        DataCall("mbim"),
    ),
    rats={
        "auto": 'AT+QCFG="nwscanmode",0,1',
        "gsm": 'AT+QCFG="nwscanmode",1,1',
        "umts": 'AT+QCFG="nwscanmode",2,1',
        "lte": 'AT+QCFG="nwscanmode",3,1',
        "nr": 'AT+QNWPREFCFG="mode_pref",NR5G',
    },
    band_lock=('AT+QCFG="band",0,{mask:x},0,1',),
    ims_off=('AT+QCFG="ims",2',),
    note='AT+QCFG="ims" takes effect after a reset',
)
