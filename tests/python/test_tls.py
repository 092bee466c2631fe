"""TLS without a proxy in front: HTTP/1.1 alone, and a certificate that is replaced while the service runs."""

import shutil
import signal
import socket
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from cryptography import x509
from product import running_twin
from schemas import REPOSITORY
from service import SECRET, Service, service_of
from webhooks import SIGNATURE, data_changed, signature

FIXTURES = REPOSITORY / "fixtures" / "tls"


def test_webhooks_come_in_over_tls_by_http_1_also_from_clients_that_offer_2() -> None:
    with _service() as service:
        body = data_changed(service.source["integrations"][0], ["ats_tags"])
        for http2 in (False, True):
            with httpx.Client(http2=http2, verify=_trust("localhost")) as client:
                answer = client.post(
                    service.url, content=body, headers={SIGNATURE: signature(SECRET, body)}
                )
                assert (answer.status_code, answer.http_version) == (200, "HTTP/1.1")
                assert client.post(service.url, content=body).status_code == 401


def test_sighup_brings_a_renewed_certificate_and_a_wrong_one_changes_nothing() -> None:
    with _service() as service:
        first, renewed = _serial("localhost"), _serial("renewed")
        assert _presented(service) == first
        held = socket.create_connection(_address(service), timeout=20)
        with _trust("localhost").wrap_socket(held, server_hostname="localhost"):
            _put(service, "renewed")
            service.send(signal.SIGHUP)
            service.until(lambda: _presented(service) == renewed, "has the new certificate", 20)
        (service.folder / "crt.pem").write_text("not a certificate")
        failed = service.metrics().total("kombo_component_errors_total")
        service.send(signal.SIGHUP)
        service.until(lambda: _errors(service) > failed, "counts the wrong file", 20)
        assert _presented(service) == renewed
        assert service.is_listening()


def test_a_plain_request_to_the_tls_address_ends_that_connection_alone() -> None:
    with _service() as service:
        with socket.create_connection(_address(service), timeout=20) as connection:
            connection.sendall(b"POST /webhooks/kombo HTTP/1.1\r\nHost: x\r\n\r\n")
            assert not connection.recv(4096).startswith(b"HTTP/")
        body = data_changed(service.source["integrations"][0], ["ats_tags"])
        assert service.post(body, tls=_trust("localhost")).status == 200


def _errors(service: Service) -> float:
    return service.metrics().total("kombo_component_errors_total")


def _address(service: Service) -> tuple[str, int]:
    return "127.0.0.1", int(service.source["webhook"]["address"].rpartition(":")[2])


def _trust(name: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=FIXTURES / f"{name}.crt.pem")


def _serial(name: str) -> int:
    certificate = (FIXTURES / f"{name}.crt.pem").read_bytes()
    return x509.load_pem_x509_certificate(certificate).serial_number


def _presented(service: Service) -> int:
    """Returns the serial number of the certificate that a new connection gets."""
    pem = ssl.get_server_certificate(_address(service), timeout=20)
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def _put(service: Service, name: str) -> None:
    for kind in ("crt", "key"):
        shutil.copy(FIXTURES / f"{name}.{kind}.pem", service.folder / f"{kind}.pem")


@contextmanager
def _service() -> Iterator[Service]:
    with (
        tempfile.TemporaryDirectory() as name,
        running_twin("--no-rate-limit", integrations=1, rows=20) as twin,
        service_of(twin, Path(name)) as service,
    ):
        service.source["endpoints"] = ["ats/tags"]
        _put(service, "localhost")
        service.source["webhook"]["tls"] = {
            "crt_file": str(service.folder / "crt.pem"),
            "key_file": str(service.folder / "key.pem"),
        }
        service.start_and_wait()
        service.until_fetched(1)
        yield service
