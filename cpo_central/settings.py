"""What an operator configures: environment variables with the prefix `CPO_`, units in the names.

The hub's credential comes from the environment only: a command line can be read by every user of a machine.
"""

import ssl
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, StringConstraints, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from cascade.errors import SetupError
from cascade.roaming.endpoints import PREFIXES_MAX, EndpointUrl
from cascade.roaming.model import IdTagPrefix, OperatorId
from cpo_central.drivers.authorization import Mode

ENV_PREFIX = "CPO_"

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0)]
NewChargePoints = Literal["accept", "pending", "reject"]
SocketUrl = Annotated[str, StringConstraints(pattern=r"^wss?://\S+$")]

ANY_ADDRESS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - to recognise it, not to listen on it


class CentralSettings(BaseSettings):
    """The settings of one central system."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_ignore_empty=True, frozen=True, extra="forbid")

    operator_id: OperatorId
    """Ours, unique at the hub."""
    database: Path = Path("central.sqlite")
    host: str = "127.0.0.1"
    """The address to listen on for chargers."""
    port: Port = 9000
    """The port for chargers; 0 takes a free one."""
    hub_url: SocketUrl | None = None
    """The hub's ws:// or wss:// address, such as wss://hub.example/ocpp; None: not linked to any hub."""
    hub_credential: SecretStr | None = None
    """What `nap operator add` printed for us."""
    modes: Annotated[tuple[Mode, ...], NoDecode] = (Mode.WHITELIST, Mode.HUB)
    """How tokens of others are authorized, in this order; in the environment: `whitelist,hub`."""
    peer_port: Port | None = None
    """The port for peers that ask us directly; None: no peer server, 0 takes a free one."""
    peer_host: str = "127.0.0.1"
    """The address to listen on for peers."""
    peer_url: EndpointUrl | None = None
    """The address that peers are told; by default made from the address listened on."""
    rest_port: Port | None = None
    """The port of the REST interface; None: there is none, 0 takes a free one."""
    rest_host: str = "127.0.0.1"
    """The address to listen on for REST."""
    id_tag_prefixes: Annotated[tuple[IdTagPrefix, ...], NoDecode, Field(max_length=PREFIXES_MAX)] = ()
    """How the idTags of our own drivers begin."""
    heartbeat_interval_s: Annotated[int, Field(gt=0)] = 300
    """What chargers are told."""
    boot_retry_interval_s: Annotated[int, Field(gt=0)] = 60
    """When a charger that is not accepted shall boot again."""
    new_charge_points: NewChargePoints = "accept"
    """What becomes of a charger that nobody has registered: accept, pending (staff decides) or reject."""
    charger_credentials: Literal["optional", "required"] = "optional"
    """Whether a charger without a password may connect; one that has a password must always show it."""
    call_timeout_s: Seconds = 10.0
    relink_base_s: Seconds = 0.5
    relink_cap_s: Seconds = 30.0
    peer_idle_s: Annotated[float, Field(ge=0)] = 600.0
    """A peer link unused for so long is closed and its referral forgotten; 0: right after each call, so that
    each authorization is a first contact."""
    cdr_retry_base_s: Seconds = 1.0
    cdr_retry_cap_s: Seconds = 300.0
    poll_s: Seconds = 0.2
    """How often changes that the command line made in the database are noticed."""
    tls_certificate: Path | None = None
    """The certificate chain (PEM) of our servers; with it they speak wss://."""
    tls_key: Path | None = None
    hub_ca: Path | None = None
    """Certificates (PEM) trusted, besides the system's, when dialling the hub and peers."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("modes", "id_tag_prefixes", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("modes")
    @classmethod
    def _each_once(cls, modes: tuple[Mode, ...]) -> tuple[Mode, ...]:
        if len(set(modes)) != len(modes):
            raise ValueError("a mode is named twice")
        return modes

    @model_validator(mode="after")
    def _fits_together(self) -> "CentralSettings":
        if self.hub_url is not None and self.hub_credential is None:
            raise ValueError(
                "CPO_HUB_URL is set, so CPO_HUB_CREDENTIAL is needed: `nap operator add` prints it"
            )
        if self.peer_port is not None and self.peer_url is None and self.peer_host in ANY_ADDRESS:
            raise ValueError(
                f"CPO_PEER_HOST is {self.peer_host or 'empty'}, which peers cannot dial: "
                "set CPO_PEER_URL to the address that they shall use"
            )
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("CPO_TLS_CERTIFICATE and CPO_TLS_KEY go together: set both or neither")
        return self

    @property
    def scheme(self) -> str:
        """What our servers speak: ws or wss."""
        return "ws" if self.tls_certificate is None else "wss"


def load(overrides: dict[str, Any]) -> CentralSettings:
    """The settings from the environment; an override that is not None takes precedence.

    Raises:
        SetupError: a setting is missing or wrong; one line that names it.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return CentralSettings(**given)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise SetupError("; ".join(_describe(fault["loc"], fault["msg"]) for fault in faults)) from None


def _describe(place: tuple[int | str, ...], message: str) -> str:
    text = message.removeprefix("Value error, ")
    return f"{ENV_PREFIX}{str(place[0]).upper()}: {text}" if place else text


def client_tls(settings: CentralSettings) -> ssl.SSLContext:
    """The TLS with which we dial the hub and peers, where their URL is wss://.

    Raises:
        SetupError: the file of `hub_ca` cannot be used.
    """
    context = ssl.create_default_context()
    if settings.hub_ca is not None:
        try:
            context.load_verify_locations(settings.hub_ca)
        except OSError as error:
            raise SetupError(f"CPO_HUB_CA cannot be used: {error}") from error
    return context
