"""Cinterion (Siemens, Gemalto, Thales, Telit Cinterion)."""

from drivers.modem.vendors.model import DataCall, Vendor

CINTERION = Vendor(
    name="Cinterion",
    source="PLS62-W and ALS AT Command Sets (^SMONI, ^SWWAN, ^SXRAT, ^SCFG)",
    identity=r"cinterion|gemalto|thales|\b([AEP]LS\d|PHS8|MV3[12])",
    usb=((0x1E2D, None),),
    signal=("AT^SMONI", "AT+CESQ", "AT+CSQ"),
    iccid=("AT+CCID", "AT^SCID"),
    data_calls=(DataCall("ecm", "AT^SWWAN=1,{cid}", "AT^SWWAN=0,{cid}"), DataCall("mbim"), DataCall("qmi")),
    rats={"auto": "AT^SXRAT=6", "gsm": "AT^SXRAT=0", "umts": "AT^SXRAT=2", "lte": "AT^SXRAT=3"},
    band_lock=('AT^SCFG="Radio/Band/4G","0x{mask:08X}"',),
    ims_off=('AT^SCFG="MEopMode/IMS","0"',),
    note="AT^SMSO switches it off: it then wants its ignition line; +CFUN=1,1 restarts it",
)
