"""Shared fixtures: a private home for the session, recorded market data, Hypothesis settings."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import hypothesis
import hypothesis.configuration
import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"
_OWNER = "INTERLOCK_TEST_HOME_OWNER"

# The home is set while this file is imported, before a test module can import interlock. Workers
# of pytest-xdist inherit the environment, so that all of them share one home and one numba cache.
if _OWNER not in os.environ:
    _home = tempfile.mkdtemp(prefix="interlock-tests-")
    os.environ[_OWNER] = str(os.getpid())
    os.environ["INTERLOCK_HOME"] = _home
    os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(_home, "cache", "numba")))

# The machine may be shared and slow: a deadline per example would fail by chance.
hypothesis.configuration.set_hypothesis_home_dir(ROOT / ".cache" / "hypothesis")
hypothesis.settings.register_profile("interlock", deadline=None, print_blob=True)
hypothesis.settings.load_profile("interlock")


def pytest_unconfigure() -> None:
    if os.environ.get(_OWNER) == str(os.getpid()):
        shutil.rmtree(os.environ["INTERLOCK_HOME"], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip = pytest.mark.skip(reason="no recorded market data in ../shared/data beside the checkout")
    for item in items:
        if not SHARED_DATA.is_dir() and item.get_closest_marker("shared"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def interlock_home() -> Path:
    """The folder that stands for the user's ~/.interlock in this session."""
    return Path(os.environ["INTERLOCK_HOME"])


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded market data; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no recorded market data in ../shared/data beside the checkout")
    return SHARED_DATA
