"""Reads a service's `/metrics` with the parser of Prometheus's client."""

import http.client
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import parser
from prometheus_client.openmetrics import parser as open_parser
from prometheus_client.samples import Sample

SCRAPE_SECONDS = 10


@dataclass(frozen=True)
class Metrics:
    """One scrape."""

    text: str
    samples: tuple[Sample, ...]

    def total(self, name: str, **labels: str) -> float:
        """Returns the sum of the samples with this name and these labels; 0 without samples."""
        return sum(one.value for one in self.of(name, **labels))

    def of(self, name: str, **labels: str) -> Iterator[Sample]:
        """Yields the samples with this name and at least these labels."""
        for one in self.samples:
            if one.name == name and labels.items() <= one.labels.items():
                yield one

    def names(self) -> set[str]:
        """Returns the names of all samples."""
        return {one.name for one in self.samples}


def scrape(port: int) -> Metrics:
    """Scrapes the metrics on a loopback port; fails on anything that Prometheus would refuse."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SCRAPE_SECONDS)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        text = answer.read().decode()
        kind = answer.getheader("Content-Type", "")
    finally:
        connection.close()
    assert answer.status == 200, f"/metrics answered {answer.status}"
    return read(text, kind)


def read(text: str, content_type: str) -> Metrics:
    """Parses metrics in the format that the content type names."""
    is_open = content_type.startswith("application/openmetrics-text")
    assert is_open or content_type.startswith("text/plain"), f"metrics as {content_type!r}"
    families = (open_parser if is_open else parser).text_string_to_metric_families(text)
    return Metrics(text, tuple(sample for family in families for sample in family.samples))
