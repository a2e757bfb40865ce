"""The same where what is unknown is punted: then the misses only say it once more."""
import pytest
from test_overrun import LAB as NOTIFY
from test_overrun import guests, test_misses  # noqa: F401

pytestmark = pytest.mark.alone
LAB = {**NOTIFY, "miss_mode": "punt"}
