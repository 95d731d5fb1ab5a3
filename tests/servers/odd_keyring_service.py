"""A Secret Service that behaves as its only argument says: what is met in the field and no daemon does on demand.

Run on a private bus by tests. Behaviours: `dismissed`, `no-default`, `dies`, `changes`, `drops`, `good`.
"""

from __future__ import annotations

import sys
from typing import Any

from jeepney import DBusAddress, HeaderFields, MessageType, new_error, new_method_call, new_method_return, new_signal
from jeepney.io.blocking import open_dbus_connection

_ROOT = "/org/freedesktop/secrets"
_PROMPT = f"{_ROOT}/prompt/p1"
_ERROR = "org.freedesktop.DBus.Error."


class Service:
    def __init__(self, behaviour: str) -> None:
        self.behaviour = behaviour
        self.items: dict[str, tuple[dict[str, str], bytes]] = {}
        bus = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")
        self.connection = open_dbus_connection("SESSION")
        self.connection.send_and_get_reply(new_method_call(bus, "RequestName", "su", ("org.freedesktop.secrets", 4)))

    def serve(self) -> None:
        while True:
            message = self.connection.receive()
            if message.header.message_type != MessageType.method_call:
                continue
            fields = message.header.fields
            member, path = fields[HeaderFields.member], fields[HeaderFields.path]
            answer = getattr(self, f"do_{member}", None)
            if answer is None:
                self.connection.send(new_error(message, _ERROR + "UnknownMethod", "s", ("?",)))
            else:
                answer(message, path, message.body)

    def reply(self, message: Any, signature: str = "", body: tuple[Any, ...] = ()) -> None:
        self.connection.send(new_method_return(message, signature or None, body))

    def do_Get(self, message: Any, path: str, body: Any) -> None:
        if self.behaviour == "no-default" and "aliases" in path:
            self.connection.send(new_error(message, _ERROR + "UnknownObject", "s", ("no such collection",)))
            return
        value = {"Locked": ("b", self.behaviour == "dismissed"), "Label": ("s", "Login")}[body[1]]
        self.reply(message, "v", (value,))

    def do_OpenSession(self, message: Any, path: str, body: Any) -> None:
        if body[0] != "plain":
            self.connection.send(new_error(message, _ERROR + "NotSupported", "s", ("plain only",)))
        else:
            self.reply(message, "vo", (("s", ""), f"{_ROOT}/session/s1"))

    def do_CreateItem(self, message: Any, path: str, body: Any) -> None:
        attributes = body[0]["org.freedesktop.Secret.Item.Attributes"][1]
        value = bytes(body[1][2])
        item = f"{_ROOT}/collection/login/i{len(self.items)}"
        for known, (kept, _) in list(self.items.items()):
            if kept == attributes:
                item = known
        if self.behaviour != "drops":
            self.items[item] = (attributes, value[:-1] if self.behaviour == "changes" else value)
        self.reply(message, "oo", (item, "/"))
        if self.behaviour == "dies":
            sys.exit(0)

    def do_SearchItems(self, message: Any, path: str, body: Any) -> None:
        wanted = body[0].items()
        self.reply(message, "ao", ([item for item, (kept, _) in self.items.items() if wanted <= kept.items()],))

    def do_GetSecret(self, message: Any, path: str, body: Any) -> None:
        self.reply(message, "(oayays)", ((body[0], b"", self.items[path][1], "text/plain"),))

    def do_Delete(self, message: Any, path: str, body: Any) -> None:
        self.items.pop(path, None)
        self.reply(message, "o", ("/",))

    def do_Unlock(self, message: Any, path: str, body: Any) -> None:
        locked = self.behaviour == "dismissed"
        self.reply(message, "aoo", ([], _PROMPT) if locked else (body[0], "/"))

    def do_CreateCollection(self, message: Any, path: str, body: Any) -> None:
        self.reply(message, "oo", ("/", _PROMPT))

    def do_Prompt(self, message: Any, path: str, body: Any) -> None:
        """Somebody closes the dialog at once."""
        self.reply(message)
        prompt = DBusAddress(_PROMPT, interface="org.freedesktop.Secret.Prompt")
        self.connection.send(new_signal(prompt, "Completed", "bv", (True, ("ao", []))))


if __name__ == "__main__":
    service = Service(sys.argv[1])
    print("ready", flush=True)
    service.serve()
