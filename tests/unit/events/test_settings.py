import base64

import pytest

from events.service import master_key
from events.settings import BadSettings, ServiceSettings, load

GOOD = {
    "NATS_URL": "nats://parties:secret@127.0.0.1:4222",
    "DATABASE_URL": "postgresql://parties:secret@127.0.0.1:5432/matinee",
    "MATINEE_MASTER_KEY": base64.b64encode(bytes(32)).decode(),
}


def said(environ: dict[str, str]) -> str:
    with pytest.raises(BadSettings) as caught:
        load(ServiceSettings, environ)
    return str(caught.value)


def test_what_is_needed_is_enough() -> None:
    settings = load(ServiceSettings, {**GOOD, "PATH": "/bin"})
    assert settings.nats_url == GOOD["NATS_URL"]
    assert settings.health_port == 0
    assert settings.log_format == "console"
    assert settings.replica


def test_numbers_are_read_from_text() -> None:
    settings = load(ServiceSettings, {**GOOD, "MATINEE_HEALTH_PORT": "8081", "MATINEE_TRACE_RATIO": "0.5"})
    assert (settings.health_port, settings.trace_ratio) == (8081, 0.5)


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_variable_is_named(name: str) -> None:
    assert name in said({key: value for key, value in GOOD.items() if key != name})


@pytest.mark.parametrize("name", GOOD)
def test_an_empty_variable_counts_as_missing(name: str) -> None:
    assert name in said({**GOOD, name: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MATINEE_HEALTH_PORT", "http"),
        ("MATINEE_HEALTH_PORT", "65536"),
        ("MATINEE_HEALTH_PORT", "-1"),
        ("MATINEE_TRACE_RATIO", "2"),
        ("MATINEE_TRACE_RATIO", "often"),
        ("MATINEE_LOG_FORMAT", "xml"),
        ("MATINEE_LOG_LEVEL", "loud"),
    ],
)
def test_a_variable_that_makes_no_sense_is_named(name: str, value: str) -> None:
    assert name in said({**GOOD, name: value})


def test_no_secret_is_in_an_error() -> None:
    assert "secret" not in said({**GOOD, "MATINEE_HEALTH_PORT": "http"})


@pytest.mark.parametrize("text", ["not base64!", base64.b64encode(bytes(31)).decode(), "é"])
def test_a_bad_master_key_is_named_but_not_shown(text: str) -> None:
    with pytest.raises(BadSettings) as caught:
        master_key(text)
    assert "MATINEE_MASTER_KEY" in str(caught.value)
    assert text not in str(caught.value)
