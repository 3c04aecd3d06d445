from pathlib import Path

import pytest
from pydantic import ValidationError

from nap.settings import HubSettings


def test_everything_has_a_default() -> None:
    settings = HubSettings()
    assert (settings.database, settings.host, settings.port) == (Path("nap.sqlite"), "127.0.0.1", 8900)
    assert settings.metrics_port is None


def test_the_environment_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAP_DATABASE", "/data/hub.sqlite")
    monkeypatch.setenv("NAP_WINDOW", "16")
    monkeypatch.setenv("NAP_CALL_TIMEOUT_S", "2.5")
    monkeypatch.setenv("NAP_OF_ANOTHER_VERSION", "ignored")
    settings = HubSettings()
    assert (settings.database, settings.window, settings.call_timeout_s) == (
        Path("/data/hub.sqlite"),
        16,
        2.5,
    )


def test_what_is_given_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAP_PORT", "1")
    assert HubSettings(port=2).port == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("METRICS_PORT", "http"),
        ("WINDOW", "0"),
        ("WINDOW", "10001"),
        ("CALL_TIMEOUT_S", "0"),
        ("SEND_TIMEOUT_S", "-1"),
        ("POLL_S", "0"),
        ("HEARTBEAT_INTERVAL_S", "0"),
        ("MESSAGE_MAX_BYTES", "1000"),
        ("LOG_LEVEL", "chatty"),
    ],
)
def test_what_does_not_hold_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"NAP_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        HubSettings()


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        HubSettings().port = 1  # type: ignore[misc]


def test_a_key_without_its_certificate_is_refused_rather_than_ignored(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="go together"):
        HubSettings(tls_key=tmp_path / "key.pem")
