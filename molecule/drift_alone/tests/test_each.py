"""Each tampering by itself: a check names it and writes nothing, site.yml repairs it, then changed=0."""

import pytest

from tests.drift.rounds import LEAVE, Rounds
from tests.drift.tamperings import TABLE, Tampering


@pytest.mark.parametrize("tampering", TABLE, ids=lambda tampering: tampering.name)
def test_alone(rounds: Rounds, tampering: Tampering) -> None:
    try:
        rounds.runs([tampering])
    except AssertionError:
        # So that the next one is alone too.
        rounds.plays(*LEAVE)
        raise
