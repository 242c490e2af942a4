"""Huawei."""

from drivers.modem.vendors.model import DataCall, Vendor

_SYSCFGEX = 'AT^SYSCFGEX="{}",3FFFFFFF,1,2,7FFFFFFFFFFFFFFF,,'

HUAWEI = Vendor(
    name="Huawei",
    source="ME909 and MH5000 AT Command Interface Specifications (^HCSQ, ^NDISDUP, ^SYSCFGEX, ^RESET, ^IMSSWITCH)",
    identity=r"huawei",
    usb=((0x12D1, None),),
    signal=("AT^HCSQ?", "AT+CESQ", "AT+CSQ"),
    iccid=("AT^ICCID?", "AT+CCID"),
    data_calls=(
        DataCall("ncm", 'AT^NDISDUP={cid},1,"{apn}"', "AT^NDISDUP={cid},0", "AT^NDISSTATQRY?"),
        DataCall("ecm", 'AT^NDISDUP={cid},1,"{apn}"', "AT^NDISDUP={cid},0", "AT^NDISSTATQRY?"),
        DataCall("mbim"),
    ),
    rats={
        "auto": _SYSCFGEX.format("00"),
        "gsm": _SYSCFGEX.format("01"),
        "umts": _SYSCFGEX.format("02"),
        "lte": _SYSCFGEX.format("03"),
    },
    band_lock=('AT^SYSCFGEX="03",3FFFFFFF,1,2,{mask:X},,',),
    reset="AT^RESET",
    ims_off=("AT^IMSSWITCH=0,0,0",),
    setup=("AT^CURC=1",),
    note="HiLink sticks (12d1:14db) have no AT port until they are switched to stick mode",
)
