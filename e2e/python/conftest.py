"""Processes for the tests: one provider for all of them, gateways as each test needs them."""

import pytest

from harness import Gateway, Provider


@pytest.fixture(scope="session")
def provider():
    running = Provider()
    yield running
    running.stop()


@pytest.fixture
def own_provider():
    """A provider whose books hold nothing but this test."""
    running = Provider()
    yield running
    running.stop()


@pytest.fixture
def gateway(provider, tmp_path):
    """Starts a gateway with limits of its own; it ends with the test."""
    started = []

    def start(*limits, upstream=provider, **options):
        started.append(Gateway(upstream, tmp_path, limits=limits, **options))
        return started[-1]

    yield start
    for running in started:
        running.stop()


@pytest.fixture(scope="session")
def gate(provider, tmp_path_factory):
    """One gateway that nothing is limited at, for tests that only look."""
    folder = tmp_path_factory.mktemp("gate")
    running = Gateway(provider, folder, limits=["1M requests per minute"])
    yield running
    running.stop()
