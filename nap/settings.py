"""The hub's settings: environment variables that begin with NAP_, or the options of `nap serve`."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cascade.admission import PACE, PATIENCE_S

Port = Annotated[int, Field(ge=0, le=65535)]


class HubSettings(BaseSettings):
    """Everything that can be set. Times are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix="NAP_", frozen=True, extra="ignore")

    database: Path = Path("nap.sqlite")
    host: str = "127.0.0.1"
    port: Port = 8900
    """0 takes a free port."""
    metrics_port: Port | None = None
    """Where Prometheus reads; on the same host; none by default."""
    tls_certificate: Path | None = None
    """PEM chain; with `tls_key` the hub speaks wss:// itself, without a proxy in front."""
    tls_key: Path | None = None
    heartbeat_interval_s: Annotated[int, Field(ge=1)] = 60
    """What operators are told in the answer to BootNotification."""
    window: Annotated[int, Field(ge=1, le=10_000)] = 256
    """Calls in flight each way on a link."""
    call_timeout_s: PositiveFloat = 10.0
    """How long a linked operator may take to answer; a redirected driver waits so long at most."""
    send_timeout_s: PositiveFloat = 5.0
    """How long an operator may leave what is sent to it unread before its link is cut."""
    referral_lifetime_s: PositiveFloat = 900.0
    """How long a referral, its ticket and the peer link opened with it hold."""
    admissions_per_s: PositiveFloat = PACE
    """How many links come up a second at most; those that are up already are served in between."""
    admission_patience_s: PositiveFloat = PATIENCE_S
    """How long an operator waits in line for its link; who would wait longer is told when to come back."""
    poll_s: PositiveFloat = 0.2
    """How often changes that the command line made in the database are looked for."""
    record_interval_s: PositiveFloat = 0.1
    """How often answered authorizations are written down together."""
    keep_authorizations_days: PositiveFloat = 90.0
    drain_grace_s: PositiveFloat = 10.0
    """How long calls in flight may still take when the hub is told to stop."""
    message_max_bytes: Annotated[int, Field(ge=65_536)] = 1_048_576
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("NAP_TLS_CERTIFICATE and NAP_TLS_KEY go together: set both or neither")
        return self
