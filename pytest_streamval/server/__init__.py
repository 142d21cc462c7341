"""A provider server on loopback: scripts over real HTTP, in the protocols of all official clients, with faults."""

from pytest_streamval.server import faults
from pytest_streamval.server.faults import Fault, Faulty
from pytest_streamval.server.journal import ServedRequest
from pytest_streamval.server.provider import ProviderServer

__all__ = ["Fault", "Faulty", "ProviderServer", "ServedRequest", "faults"]
