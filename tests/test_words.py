"""Numbers in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuraleig._words import choice_text, count_text, share_text


@given(st.floats(0, 1))
def test_shares_round_nothing_to_none_and_not_most_to_all(share):
    text = share_text(share)
    value = float(text.strip("<> %"))
    assert value == pytest.approx(100 * share, abs=0.051)
    if text[0] not in "<>":
        assert (value == 0) == (share == 0)
        assert (value == 100) == (share == 1)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0.0 %"),
        (1e-9, "< 0.001 %"),
        (0.0003, "0.03 %"),
        (0.25, "25.0 %"),
        (0.9997, "99.97 %"),
        (0.9999999, "> 99.999 %"),
        (1.0, "100.0 %"),
    ],
)
def test_shares_in_words(share, text):
    assert share_text(share) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1500, "1,500 rows")],
)
def test_one_is_no_plural(number, text):
    assert count_text(number, "row") == text


def test_a_curve_is_mentioned_where_it_prefers_another_number():
    assert choice_text(None, 3) == choice_text(3, 3) == ""
    assert choice_text(1, 3) == "; the curve prefers 1 cluster"
