"""Claims of the schemes that no template describes, written from the vendors' own words (see each scheme's source)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, parse_qsl

from runbook_tui.drill.endpoint.claim import Claim, Unproven, instant, seconds
from runbook_tui.drill.endpoint.setup import Arrived, Setup

_ADYEN_FIELDS = ["pspReference", "originalReference", "merchantAccountCode", "merchantReference"]
_SNS_FIELDS = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
_COMPONENT = re.compile(r'"([^"]+)"')


def read(setup: Setup, arrived: Arrived, secret: str) -> Claim:
    """The claim of a scheme with a `code`; Unproven when something is missing."""
    return _READERS[setup.scheme.code](setup, arrived)


def carried(setup: Setup, arrived: Arrived) -> list[str]:
    """The secrets that a body carries (Microsoft Graph: one `clientState` for each notification)."""
    found = _object(arrived).get("value", [])
    states = [one.get("clientState", "") for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return [str(one) for one in states] if any(states) else []


def _object(arrived: Arrived) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        data = json.loads(arrived.body)
        if isinstance(data, dict):
            return data
    raise Unproven("no signature")


def _required(text: Any) -> str:
    if not isinstance(text, str) or not text:
        raise Unproven("no signature")
    return text


def _twilio(setup: Setup, arrived: Arrived) -> Claim:
    proof = _required(arrived.one("X-Twilio-Signature"))
    url = setup.url.partition("?")[0] + (f"?{arrived.query}" if arrived.query else "")
    digest = parse_qs(arrived.query).get("bodySHA256")
    if digest is not None:
        if digest[0].lower() != hashlib.sha256(arrived.body).hexdigest():
            raise Unproven("another body")
        return Claim((proof,), url.encode(), None, setup.scheme.alg, "b64")
    pairs = set(parse_qsl(arrived.body.decode("utf-8", "replace"), keep_blank_values=True))
    content = url + "".join(name + value for name, value in sorted(pairs))
    return Claim((proof,), content.encode(), None, setup.scheme.alg, "b64")


def _adyen_payments(setup: Setup, arrived: Arrived) -> Claim:
    try:
        item = _object(arrived)["notificationItems"][0]["NotificationRequestItem"]
        proof = _required(item["additionalData"]["hmacSignature"])
        parts = [str(item.get(name, "")) for name in _ADYEN_FIELDS]
        amount, success = item["amount"], str(item["success"]).lower()
        parts += [str(amount["value"]), amount["currency"], item["eventCode"], success]
    except (KeyError, TypeError, IndexError):
        raise Unproven("no signature") from None
    return Claim((proof,), ":".join(parts).encode(), None, "hmac-sha256", "b64")


def _mailgun(setup: Setup, arrived: Arrived) -> Claim:
    given = _object(arrived).get("signature")
    if not isinstance(given, dict):
        raise Unproven("no signature")
    stamp, token = str(given.get("timestamp", "")), str(given.get("token", ""))
    proof = _required(given.get("signature"))
    return Claim((proof,), (stamp + token).encode(), seconds(stamp), "hmac-sha256", "hex")


def _nowpayments(setup: Setup, arrived: Arrived) -> Claim:
    proof = _required(arrived.one("x-nowpayments-sig"))
    content = json.dumps(_object(arrived), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return Claim((proof,), content.encode("utf-8", "surrogatepass"), None, "hmac-sha512", "hex")


def _jwt(setup: Setup, arrived: Arrived) -> Claim:
    token = _required(arrived.one("Authorization").removeprefix("Bearer "))
    content, _, proof = token.rpartition(".")
    try:
        head, claims = (json.loads(base64.urlsafe_b64decode(part + "===")) for part in content.split("."))
        digest = claims["sha256"]
        times = int(claims.get("nbf", claims.get("iat", 0))), int(claims["exp"])
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise Unproven("not a token") from None
    if head.get("alg") != "HS256":
        raise Unproven("another algorithm")
    if digest != base64.b64encode(hashlib.sha256(arrived.body).digest()).decode():
        raise Unproven("another body")
    return Claim((proof,), content.encode(), float(times[0] or times[1]), "hmac-sha256", "b64url")


def _sns(setup: Setup, arrived: Arrived) -> Claim:
    data = _object(arrived)
    proof = _required(data.get("Signature"))
    content = "".join(f"{name}\n{data[name]}\n" for name in _SNS_FIELDS if isinstance(data.get(name), str))
    alg = "rsa-sha256" if data.get("SignatureVersion") == "2" else "rsa-sha1"
    return Claim((proof,), content.encode(), instant(str(data.get("Timestamp", ""))), alg, "b64")


def _paypal(setup: Setup, arrived: Arrived) -> Claim:
    proof = _required(arrived.one("PAYPAL-TRANSMISSION-SIG"))
    number, time = arrived.one("PAYPAL-TRANSMISSION-ID"), arrived.one("PAYPAL-TRANSMISSION-TIME")
    content = f"{number}|{time}|{setup.facts.get('webhook_id', '')}|{zlib.crc32(arrived.body)}"
    return Claim((proof,), content.encode(), instant(time), "rsa-sha256", "b64")


def _rfc9421(setup: Setup, arrived: Arrived) -> Claim:
    label, _, parameters = _required(arrived.one("Signature-Input")).partition("=")
    proof = _required(arrived.one("Signature")).removeprefix(f"{label}=:").removesuffix(":")
    names = _COMPONENT.findall(parameters.partition(")")[0])
    if not {"@method", "content-digest"} <= set(names) or not {"@target-uri", "@path"} & set(names):
        raise Unproven("too little is signed")
    digest = base64.b64encode(hashlib.sha256(arrived.body).digest()).decode()
    if f"sha-256=:{digest}:" not in arrived.one("Content-Digest"):
        raise Unproven("another body")
    url = setup.url.partition("?")[0] + (f"?{arrived.query}" if arrived.query else "")
    own = {"@method": arrived.method, "@target-uri": url, "@path": arrived.path, "@query": f"?{arrived.query}"}
    own["@authority"] = url.partition("://")[2].partition("/")[0]
    lines = [f'"{name}": {own[name] if name in own else arrived.one(name)}' for name in names]
    content = "\n".join([*lines, f'"@signature-params": {parameters}'])
    created = re.search(r";created=(\d+)", parameters)
    if created is None:
        raise Unproven("no time")
    return Claim((proof,), content.encode(), seconds(created.group(1)), setup.scheme.alg, "b64")


_READERS: dict[str, Callable[[Setup, Arrived], Claim]] = {
    "twilio": _twilio,
    "adyen": _adyen_payments,
    "mailgun": _mailgun,
    "nowpayments": _nowpayments,
    "jwt_bodyhash": _jwt,
    "sns": _sns,
    "paypal": _paypal,
    "rfc9421": _rfc9421,
}
