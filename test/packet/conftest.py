# SPDX-License-Identifier: BSD-3-Clause
import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate", action="store_true", help="show the differences and take them as wanted")
