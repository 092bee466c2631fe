"""Webhooks as Kombo posts them: bodies, signatures and the post itself."""

import base64
import hashlib
import hmac
import http.client
import json
import ssl
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

POST_SECONDS = 20
SIGNATURE = "X-Kombo-Signature"


@dataclass(frozen=True)
class Answer:
    """The service's answer to a webhook."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def signature(secret: str, body: bytes) -> str:
    """Returns the base64url without padding of the HMAC-SHA256, as Kombo computes it."""
    return _digest(secret, body, base64.urlsafe_b64encode).rstrip("=")


def standard_signature(secret: str, body: bytes) -> str:
    """Returns the signature in base64's standard alphabet, which Kombo does not use."""
    return _digest(secret, body, base64.b64encode).rstrip("=")


def padded_signature(secret: str, body: bytes) -> str:
    """Returns the signature with padding, which Kombo does not send."""
    return _digest(secret, body, base64.urlsafe_b64encode)


def data_changed(integration: str, models: Iterable[str], category: str | None = None) -> bytes:
    """Returns the body of a `data-changed` webhook."""
    names = list(models)
    data: dict[str, Any] = {
        "integration_id": integration,
        "integration_tool": integration.partition(":")[0],
        "integration_category": (category or _category(names)).upper(),
        "changed_models": [{"name": name} for name in names],
    }
    return event("data-changed", data)


def integration_created(integration: str, category: str) -> bytes:
    """Returns the body of an `integration-created` webhook."""
    return event("integration-created", _described(integration, category))


def integration_deleted(integration: str, category: str) -> bytes:
    """Returns the body of an `integration-deleted` webhook."""
    data = {**_described(integration, category), "deleted_at": "2026-01-05T09:00:00.000Z"}
    return event("integration-deleted", data)


def event(kind: str, data: dict[str, Any]) -> bytes:
    """Returns the body of any webhook, with an id of its own."""
    return json.dumps({"id": uuid.uuid4().hex[:24], "type": kind, "data": data}).encode()


def post(
    url: str,
    body: bytes,
    sign: str | None,
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    source: str = "127.0.0.1",
) -> Answer:
    """Posts a body with a signature, or with none, and returns the answer."""
    target = urlsplit(url)
    host, port, bound = target.hostname or "", target.port or 0, (source, 0)
    connection: http.client.HTTPConnection
    if tls:
        connection = http.client.HTTPSConnection(
            host, port, timeout=POST_SECONDS, source_address=bound, context=tls
        )
    else:
        connection = http.client.HTTPConnection(
            host, port, timeout=POST_SECONDS, source_address=bound
        )
    sent = {"Content-Type": "application/json", **(headers or {})}
    if sign is not None:
        sent[SIGNATURE] = sign
    try:
        connection.request("POST", target.path, body=body, headers=sent)
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


def _described(integration: str, category: str) -> dict[str, Any]:
    return {
        "id": integration,
        "tool": integration.partition(":")[0],
        "category": category.upper(),
        "end_user": {"organization_name": "Example", "creator_email": None, "origin_id": None},
    }


def _category(models: list[str]) -> str:
    return models[0].partition("_")[0] if models else "ATS"


def _digest(secret: str, body: bytes, encode: Any) -> str:
    return str(encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode())
