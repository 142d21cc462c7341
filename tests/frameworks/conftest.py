"""The settings of all tests of the frameworks."""

import gc

import pytest

from tests.frameworks.chosen import drivers, running
from tests.sdks.certificates import few_certificates


def pytest_configure(config):
    """Ignore the warnings of frameworks, but not those of this package."""
    config.addinivalue_line("filterwarnings", "ignore")
    config.addinivalue_line("filterwarnings", "error:::pytest_streamval")


@pytest.fixture(autouse=True, scope="session")
def _frameworks(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        few_certificates(tmp_path_factory.mktemp("certificates"), patch.setenv)
        with running(drivers()):
            yield
    gc.collect()  # clients that frameworks leave unclosed, while warnings are ignored
