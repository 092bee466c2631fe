"""Tests what strangers can send to the public address, and how the service reacts."""

import gzip
import json
import re
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from metrics import Metrics
from product import running_twin
from rawhttp import all_statuses, connect, connected, exchange, head, statuses
from service import SECRET, Service, service_of
from webhooks import (
    data_changed,
    event,
    padded_signature,
    post,
    signature,
    standard_signature,
)

UNSIGNED = 401
MODELS = ("ats_tags",)
ENDPOINTS = ["ats/tags", "ats/users"]
TEN_MEGABYTES = 10_000_000
# The most that the kernel buffers for a reader that does not read.
BUFFERED = 8 << 20
IDLE = 300
REPLAYS = 20_000
PIPELINED = 200
LATENCY_MS = 200


def test_only_the_right_signature_over_the_very_bytes_is_taken() -> None:
    with _service() as service:
        body = _body(service)
        again = json.dumps(json.loads(body), indent=1).encode()
        right = signature(SECRET, body)
        wrong = {
            "missing": (body, None),
            "empty": (body, ""),
            "short": (body, right[:-1]),
            "long": (body, right + "A"),
            "padded": (body, padded_signature(SECRET, body)),
            "another secret's": (body, signature("another", body)),
            "over JSON written again": (again, right),
            "of another case": (body, right.swapcase()),
        }
        if (standard := standard_signature(SECRET, body)) != right:
            wrong["in the standard alphabet"] = (body, standard)
        before = _taken(service)
        for name, (sent, sign) in wrong.items():
            answer = post(service.url, sent, sign)
            assert answer.status == UNSIGNED, f"a signature that is {name}: {answer.status}"
            assert len(answer.body) < 100 and b"whsec" not in answer.body
        assert _taken(service) == before, "an unsigned body was counted as taken"
        assert post(service.url, body, right).status == 200
        assert _taken(service) == before + 1


def test_bodies_that_are_too_long_endless_cut_short_or_packed_are_refused() -> None:
    with _service() as service:
        body, url = _body(service), service.url
        sign = signature(SECRET, body)
        long = b'{"id": "' + b"a" * TEN_MEGABYTES + b'"}'
        signed = signature(SECRET, long)

        declared = [head(url, signed, f"Content-Length: {len(long)}"), *_pieces(long)]
        refused = exchange(url, declared)
        assert refused.status in (413, None) and refused.sent < BUFFERED, refused

        chunks = [head(url, signed, "Transfer-Encoding: chunked"), *_chunks(long)]
        refused = exchange(url, chunks)
        assert refused.status in (413, None) and refused.sent < BUFFERED, refused

        more = exchange(url, [head(url, sign, f"Content-Length: {len(body) + 9}"), body], True)
        assert more.status in (400, 408, None), f"a body shorter than it says: {more.status}"

        less = exchange(url, [head(url, sign, f"Content-Length: {len(body) - 9}"), body])
        assert less.status == UNSIGNED, f"a body longer than it says: {less.status}"

        packed = gzip.compress(body)
        answer = post(
            url, packed, signature(SECRET, packed), headers={"Content-Encoding": "gzip"}
        )
        assert answer.status == 415, f"a packed body: {answer.status}"

        junk = b"\x00\xff not JSON"
        assert post(url, junk, signature(SECRET, junk)).status == 400
        service.accepts(body)


def test_two_lengths_are_refused_or_nothing_after_the_body_is_a_request() -> None:
    with _service() as service:
        body = _body(service)
        sign = signature(SECRET, body)
        right, chunked = f"Content-Length: {len(body)}", "Transfer-Encoding: chunked"
        chunks = b"".join([*_chunks(body), b"0\r\n\r\n"])
        # A second webhook follows on the same connection. It may be taken only if both sides see one and the same length.
        second = head(service.url, sign, right, "Connection: close") + body
        for lines, sent, statuses_of in (
            ((right, "Content-Length: 5"), body, [400]),
            ((right, right), body, [200, 200]),
            ((f"{right}, {len(body)}",), body, [400]),
            ((right, chunked), chunks, [200]),
            ((chunked, right), chunks, [200]),
            ((right, chunked), body, [400]),
            ((chunked, "Transfer-Encoding: identity"), chunks, [400]),
        ):
            answers = all_statuses(service.url, head(service.url, sign, *lines) + sent + second)
            assert answers == statuses_of, lines


def test_http_2_ends_its_connection_and_no_other() -> None:
    with _service() as service:
        with connected(service.url) as connection:
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
            assert connection.recv(4096) == b""
        service.accepts(_body(service))


def test_one_path_and_one_method_are_open() -> None:
    with _service() as service:
        body = _body(service)
        sign = signature(SECRET, body)
        for path in ("/", "/metrics", "/health", "/webhooks/kombo/", "/webhooks/../webhooks/kombo"):
            url = service.url.replace("/webhooks/kombo", path)
            assert post(url, body, sign).status == 404, path
        for method in ("GET", "PUT", "DELETE"):
            length = f"Content-Length: {len(body)}"
            sent = exchange(service.url, [head(service.url, sign, length, method=method) + body])
            assert sent.status == 405, f"{method}: {sent.status}"
        service.accepts(body)


def test_ids_and_models_that_nobody_expects_reach_no_path_and_stop_nothing() -> None:
    ids = (
        "../../../../tmp/escaped",
        "greenhouse:../../escaped",
        "greenhouse:a/b\\c",
        "greenhouse:line\nbreak\r\nX-Injected: yes",
        "greenhouse:nul\x00\x1b[31m",
        "greenhouse:ünïcödé\u202e",
        "greenhouse:" + "x" * 10_000,
        " ",
        "",
    )
    with _service(integrations=()) as service:
        for one in ids:
            answer = service.post(data_changed(one, MODELS))
            assert answer.status in (200, 400), f"{one[:40]!r}: {answer.status}"
        many = ["ats_tags", *(f"ats_new_{number}" for number in range(500))]
        for models in (["ats_invented"], ["nonsense"], ["../x"], many):
            answer = service.post(data_changed("greenhouse:nobody", models, "ATS"))
            assert answer.status in (200, 400), f"{models[0]}: {answer.status}"
        assert service.post(event("type-of-tomorrow", {"a": 1})).status == 200
        service.until_quiet()
        lake = Path(service.lake)
        assert not list(service.folder.parent.rglob("*escaped*")), "an id reached a path raw"
        for found in lake.rglob("integration_key=*"):
            assert re.fullmatch(r"integration_key=[a-z0-9_.-]+", found.name), found.name
        # A log line has no control character from an id.
        assert not re.search(r"[\x00\x1b\u202e]|^X-Injected", service.printed(), re.MULTILINE)
        assert service.stop() == 0


def test_an_unknown_model_has_the_whole_category_fetched() -> None:
    with _service() as service:
        before = service.fetches()
        service.accepts(data_changed(_integration(service), ["ats_of_tomorrow"], "ATS"))
        service.until_quiet()
        fetched = service.fetches() - before
        assert fetched == len(ENDPOINTS), f"{fetched} fetches for {len(ENDPOINTS)} endpoints"


def test_idle_connections_and_slow_senders_keep_nobody_waiting() -> None:
    with _service(webhook={"behind_proxy": True, "max_connections": 200}) as service:
        with ExitStack() as stack:
            for number in range(IDLE):
                connection = stack.enter_context(connect(service.url))
                if number % 2:
                    # A request that begins and never ends.
                    connection.sendall(head(service.url, None)[: 20 + number % 10])
            for _ in range(20):
                service.accepts(_body(service))
    # Connections from one address take no slot of another address.
    with _service() as service, ExitStack() as stack:
        for _ in range(IDLE):
            stack.enter_context(connect(service.url, "127.0.0.2"))
        for _ in range(20):
            assert service.post(_body(service), source="127.0.0.3").status == 200


def test_twenty_thousand_replays_cause_few_fetches() -> None:
    # Fetches are slow, so that many webhooks arrive during one fetch.
    with _service("--latency-ms", str(LATENCY_MS)) as service:
        body = _body(service)
        request = head(service.url, signature(SECRET, body), f"Content-Length: {len(body)}") + body
        before, began = service.metrics(), time.monotonic()
        with connected(service.url) as connection:
            for _ in range(REPLAYS // PIPELINED):
                connection.sendall(request * PIPELINED)
                assert set(statuses(connection, PIPELINED)) == {200}
        took = time.monotonic() - began
        service.until_quiet()
        after = service.metrics()
        fetched = after.total("kombo_fetches_total") - before.total("kombo_fetches_total")
        most = took / (LATENCY_MS / 1000) + 3
        print(f"    {REPLAYS} replays in {took:.1f} s caused {fetched:.0f} fetches", flush=True)
        assert 1 <= fetched <= most, f"{fetched} fetches, {most:.0f} at most"
        assert _taken_of(after) - _taken_of(before) == REPLAYS


def test_unsigned_requests_are_slowed_down_and_signed_ones_are_not() -> None:
    with _service() as service:
        body = _body(service)
        # The first signature has the wrong form. The second one is known as wrong only when the body was read and hashed.
        for wrong in ("wrong", signature("another secret", body)):
            seen = [post(service.url, body, wrong).status for _ in range(200)]
            assert set(seen) == {UNSIGNED, 429}, f"{sorted(set(seen))}"
            # Another address is not limited. Its webhook lifts the limit from its own address.
            assert service.post(body, source="127.0.0.7").status == 200
            seen = [post(service.url, body, wrong, source="127.0.0.7").status for _ in range(200)]
            assert set(seen) == {UNSIGNED}, f"{sorted(set(seen))}"
    with _service(webhook={"behind_proxy": True}) as service:
        body = _body(service)
        seen = [post(service.url, body, signature("another", body)).status for _ in range(200)]
        assert set(seen) == {UNSIGNED}, "all senders share one address"
        service.accepts(body)


def test_two_secrets_are_good_at_once() -> None:
    new = "whsec-the-new-one-of-two"
    with _service(environment={"KOMBO_WEBHOOK_OTHER_SECRET": new}) as service:
        body = _body(service)
        for secret, status in ((SECRET, 200), (new, 200), ("whsec-the-third-one-of-two", UNSIGNED)):
            assert post(service.url, body, signature(secret, body)).status == status, secret


def test_a_service_that_shuts_down_takes_nothing_it_could_forget() -> None:
    with _service("--latency-ms", "1500") as service:
        body = _body(service)
        service.accepts(body)
        service.send(signal.SIGTERM)
        seen: list[int] = []
        assert service.process
        while service.process.poll() is None:
            try:
                seen.append(service.post(body).status)
            except OSError:
                # The listener is closed.
                seen.append(0)
            time.sleep(0.05)
        assert service.wait() == 0, service.printed()[-2000:]
        # Webhooks before the signal are accepted, and none after it.
        late = [status for at, status in enumerate(seen) if status == 200 and at > 2]
        assert not late, f"{len(late)} webhooks were taken while shutting down"
        assert 503 in seen, f"no sender was asked to try again: {sorted(set(seen))}"


def _body(service: Service) -> bytes:
    return data_changed(_integration(service), MODELS)


def _integration(service: Service) -> str:
    return str(service.source["integrations"][0])


def _taken(service: Service) -> float:
    return _taken_of(service.metrics())


def _taken_of(metrics: Metrics) -> float:
    return metrics.total("kombo_notifications_total", outcome="accepted")


def _pieces(body: bytes, size: int = 65_536) -> Iterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


def _chunks(body: bytes) -> Iterator[bytes]:
    for piece in _pieces(body):
        yield f"{len(piece):x}\r\n".encode() + piece + b"\r\n"


@contextmanager
def _service(
    *arguments: str,
    integrations: tuple[str, ...] | None = None,
    environment: dict[str, str] | None = None,
    webhook: dict[str, object] | None = None,
) -> Iterator[Service]:
    """Starts a service with two small tables, and waits until they are fetched."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        twin = stack.enter_context(
            running_twin("--no-rate-limit", *arguments, integrations=1, rows=20)
        )
        service = stack.enter_context(
            service_of(twin, Path(name), integrations=integrations, environment=environment)
        )
        service.source["endpoints"] = ENDPOINTS
        service.source["webhook"].update(webhook or {})
        service.start_and_wait()
        service.until_fetched(len(ENDPOINTS) if service.source["integrations"] else 0)
        yield service
