"""Verifies requests that are signed as Standard Webhooks (https://www.standardwebhooks.com)."""

import base64
import hmac
import time

TOLERANCE = 5 * 60  # seconds


class Forged(Exception):
    """The request is not from a sender that knows the secret, or is not from now."""


def verify(secrets, headers, body, now=None):
    """Raises Forged unless one of the secrets signed the request.

    Headers is anything with get(name); body is bytes, exactly as received.
    """
    message_id = headers.get("webhook-id")
    timestamp = headers.get("webhook-timestamp")
    signatures = headers.get("webhook-signature")
    if not message_id or not timestamp or not signatures:
        raise Forged("a header is missing")
    try:
        sent = int(timestamp)
    except ValueError:
        raise Forged("the timestamp is not a number") from None
    if abs((time.time() if now is None else now) - sent) > TOLERANCE:
        raise Forged("the timestamp is too old, or in the future")
    signed = f"{message_id}.{timestamp}.".encode() + body
    for secret in secrets:
        wanted = sign(secret, signed)
        for signature in signatures.split(" "):
            if hmac.compare_digest(signature.encode(), wanted):
                return
    raise Forged("no signature matches")


def sign(secret, signed):
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    return b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))
