from pathlib import Path

import pytest

from cascade.errors import SetupError
from cpo_central.app import Central
from cpo_central.drivers.authorization import Mode
from cpo_central.settings import client_tls, load


def test_defaults() -> None:
    settings = load({"operator_id": "C1"})
    assert settings.modes == (Mode.WHITELIST, Mode.HUB)
    assert settings.hub_url is None
    assert settings.peer_port is None
    assert settings.scheme == "ws"
    assert client_tls(settings) is not None


def test_the_environment_and_what_overrides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CPO_OPERATOR_ID", "C1")
    monkeypatch.setenv("CPO_MODES", "peer, whitelist")
    monkeypatch.setenv("CPO_ID_TAG_PREFIXES", "C1-,D1-")
    monkeypatch.setenv("CPO_PORT", "9100")
    monkeypatch.setenv("CPO_PEER_PORT", "")
    monkeypatch.setenv("CPO_HUB_URL", "ws://hub:8900/ocpp")
    monkeypatch.setenv("CPO_HUB_CREDENTIAL", "secret-credential")
    settings = load({"port": 0, "host": None})
    assert settings.modes == (Mode.PEER, Mode.WHITELIST)
    assert settings.id_tag_prefixes == ("C1-", "D1-")
    assert (settings.port, settings.host, settings.peer_port) == (0, "127.0.0.1", None)
    assert "secret-credential" not in repr(settings)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "CPO_OPERATOR_ID"),
        ({"operator_id": "C 1"}, "CPO_OPERATOR_ID"),
        ({"operator_id": "C1", "modes": "whitelist,telepathy"}, "CPO_MODES"),
        ({"operator_id": "C1", "modes": "hub,hub"}, "CPO_MODES: a mode is named twice"),
        ({"operator_id": "C1", "port": 70000}, "CPO_PORT"),
        ({"operator_id": "C1", "new_charge_points": "maybe"}, "CPO_NEW_CHARGE_POINTS"),
        ({"operator_id": "C1", "charger_credentials": "no"}, "CPO_CHARGER_CREDENTIALS"),
        ({"operator_id": "C1", "boot_retry_interval_s": 0}, "CPO_BOOT_RETRY_INTERVAL_S"),
        ({"operator_id": "C1", "hub_url": "http://hub"}, "CPO_HUB_URL"),
        ({"operator_id": "C1", "hub_url": "ws://hub"}, "CPO_HUB_CREDENTIAL"),
        ({"operator_id": "C1", "peer_port": 0, "peer_host": "::"}, "CPO_PEER_URL"),
        ({"operator_id": "C1", "tls_key": Path("key.pem")}, "CPO_TLS_CERTIFICATE"),
        ({"operator_id": "C1", "id_tag_prefixes": "X"}, "CPO_ID_TAG_PREFIXES"),
    ],
)
def test_a_wrong_setting_is_named(given: dict[str, object], named: str) -> None:
    with pytest.raises(SetupError) as caught:
        load(given)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_certificates_that_cannot_be_used(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    files = {"tls_certificate": broken, "tls_key": broken}
    settings = load({"operator_id": "C1", **files, "hub_ca": tmp_path / "missing.pem"})
    assert settings.scheme == "wss"
    with pytest.raises(SetupError, match="broken"):
        Central(settings)
    with pytest.raises(SetupError, match="CPO_HUB_CA"):
        client_tls(settings)
