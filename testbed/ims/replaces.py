"""The Replaces header (RFC 3891): an INVITE that takes the place of an existing dialog."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from testbed.ims.dialog import Dialog, DialogState
from testbed.ims.errors import ParseError


@dataclass(frozen=True, slots=True)
class Replaces:
    """The dialog meant, as its receiver sees it: `to_tag` is the receiver's own tag, `from_tag` the other end's."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    @classmethod
    def of(cls, dialog: Dialog, *, early_only: bool = False) -> Replaces:
        """For the other end of `dialog`: what to send it so that a new INVITE takes this dialog's place."""
        return cls(dialog.call_id, dialog.remote_tag or "0", dialog.local_tag, early_only)

    @classmethod
    def parse(cls, text: str) -> Replaces:
        """Read the header's value.  Raises :class:`ParseError`."""
        call_id, *pieces = (piece.strip() for piece in text.split(";"))
        parameters: dict[str, str] = {}
        for piece in pieces:
            name, _, value = (part.strip() for part in piece.partition("="))
            if name.lower() in parameters:
                raise ParseError(f"{name} stands twice", where="Replaces")
            parameters[name.lower()] = value
        if not call_id or not parameters.get("to-tag") or not parameters.get("from-tag"):
            raise ParseError("a Call-ID, a to-tag and a from-tag are wanted", where="Replaces")
        return cls(call_id, parameters["to-tag"], parameters["from-tag"], "early-only" in parameters)

    def __str__(self) -> str:
        flag = ";early-only" if self.early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{flag}"

    def find(self, dialogs: Iterable[Dialog]) -> Dialog | None:
        """The dialog meant, whatever its state, or None."""
        return next((dialog for dialog in dialogs if self._means(dialog)), None)

    def _means(self, dialog: Dialog) -> bool:
        # A tag of 0 also stands for none at all (RFC 3891 3).
        remote = dialog.remote_tag == self.from_tag or (self.from_tag == "0" and not dialog.remote_tag)
        return dialog.call_id == self.call_id and dialog.local_tag == self.to_tag and remote

    def refusal(self, dialog: Dialog | None) -> tuple[int, str] | None:
        """The final response that RFC 3891 3 wants for an INVITE that means `dialog`; None to go ahead."""
        if dialog is None:
            return 481, "Call/Transaction Does Not Exist"
        if dialog.state is DialogState.TERMINATED:
            return 603, "Declined"
        if dialog.state is DialogState.CONFIRMED:
            return (486, "Busy Here") if self.early_only else None
        # An early dialog may be replaced only at the end that started it.
        return None if dialog.is_uac else (481, "Call/Transaction Does Not Exist")
