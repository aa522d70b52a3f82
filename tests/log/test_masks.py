"""No secret reaches the log, in whatever form it comes."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from said import said

from haunt.log.masks import Masks

TOKEN = "s3cret/of'the\"House\\+%"
TOKENS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8)


@pytest.mark.parametrize(
    "form",
    [TOKEN, TOKEN.lower(), quote(TOKEN), quote(TOKEN, safe=""), json.dumps(TOKEN), repr(TOKEN)],
)
def test_a_secret_is_masked_in_every_form(form: str):
    masked = Masks([TOKEN]).masked(said("Origin %s is not allowed", form)).getMessage()
    assert masked.replace('"', "").replace("'", "") == "Origin *** is not allowed"


@given(TOKENS)
def test_whatever_the_secret_is_quotes_do_not_carry_it_past(token: str):
    masks = Masks([token])
    for text in ("%r", "%r and \"both\" 'quotes'", "%.400r"):
        assert token not in masks.masked(said(text, f"it is {token}")).getMessage()


def test_half_a_secret_is_not_left_where_a_message_is_cut():
    masked = Masks([TOKEN]).masked(said("Request failed: %.20r", f"I am {TOKEN}, let me in")).getMessage()
    assert masked == "Request failed: 'I am ***, let me in"
    assert Masks(["bytes-too"]).masked(said("%.8r", b"x bytes-too")).getMessage() == "b'x ***'"


def test_a_secret_in_an_exception_is_masked_and_so_is_that_of_its_cause():
    try:
        try:
            raise KeyError(TOKEN)
        except KeyError as error:
            raise ValueError(f"no {TOKEN}") from error
    except ValueError as error:
        record = Masks([TOKEN]).masked(said("failed: %s", error, error=error))
    assert record.getMessage() == "failed: no ***"
    assert "ValueError: no ***" in str(record.exc_text)
    assert "KeyError: '***'" in str(record.exc_text) or 'KeyError: "***"' in str(record.exc_text)
    assert "s3cret" not in str(record.__dict__)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("wss://venue.example/?token=a%2Fb&id=1 closed", "wss://venue.example/?token=***&id=1 closed"),
        ("GET /ws?ext=1&TOKEN=other", "GET /ws?ext=1&TOKEN=***"),
        ("uri='/ws?admin_token=x', version", "uri='/ws?admin_token=***', version"),
        ("Authorization: Bearer wrong-one", "Authorization: Bearer ***"),
        ("tokens are checked", "tokens are checked"),
    ],
)
def test_a_token_nobody_knows_is_masked_where_tokens_stand(text: str, masked: str):
    assert Masks().masked(said("%s", text)).getMessage() == masked


def test_the_longer_of_two_secrets_is_masked_whole():
    assert Masks(["secret", "secret-of-admins"]).hide("secret-of-admins, secret") == "***, ***"


def test_without_secrets_nothing_is_masked():
    assert Masks(["", ""]).hide("all is well") == "all is well"
