"""The options that every command shares which runs charge points."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec
from urllib.parse import urlsplit

import typer

if TYPE_CHECKING:
    from cascade.trace import FrameTrace
    from chargepoint_model.station import ChargerSettings

P = ParamSpec("P")


class LogLevel(StrEnum):
    """How much is logged, on standard error."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def a_url(url: str) -> str:
    """An option's value that is to be the URL of a central system."""
    parts = urlsplit(url)
    if parts.scheme not in {"ws", "wss"} or not parts.hostname:
        raise typer.BadParameter("give ws://host:port/path or wss://host:port/path, without the identity")
    return url


Password = Annotated[
    str | None, typer.Option(envvar="CHARGEPOINT_PASSWORD", help="For HTTP Basic; better in the environment.")
]
EnergyWh = Annotated[int, typer.Option(min=1, max=1_000_000, help="What a vehicle takes, in Wh.")]
PauseS = Annotated[int, typer.Option(min=1, help="Model seconds between drivers.")]
TimeScale = Annotated[
    float, typer.Option(min=0.001, max=10_000, help="Model seconds per second, for sessions.")
]


@dataclass(frozen=True, slots=True)
class Common:
    """What every command is told."""

    url: Annotated[str, typer.Option(callback=a_url, help="The central system, without the identity.")]
    password: Password = None
    power_w: Annotated[int, typer.Option(min=1, max=1_000_000, help="How fast vehicles take it, in W.")] = (
        22_000
    )
    call_timeout_s: Annotated[float, typer.Option(min=0.001, help="Seconds until a call has failed.")] = 10.0
    central_name: Annotated[str, typer.Option(help="The central system's name in logs and traces.")] = "central"
    log_level: Annotated[
        LogLevel, typer.Option(help="SIGUSR1 switches frame tracing, seen at info and below.")
    ] = LogLevel.WARNING
    trace: Annotated[bool, typer.Option("--trace", help="Show frames from the start; implies info.")] = False

    def settings(self, identity: str, **more: Any) -> "ChargerSettings":  # noqa: ANN401 - any of ChargerSettings
        """The settings of a charge point, with what its command adds."""
        from chargepoint_model.station import ChargerSettings

        return ChargerSettings(
            url=self.url,
            identity=identity,
            password=self.password,
            power_w=self.power_w,
            call_timeout_s=self.call_timeout_s,
            central_name=self.central_name,
            **more,
        )

    def set_up_logs(self, service: str) -> "FrameTrace":
        """Set up logging in the name of a service; where its frames are shown."""
        from cascade.logs import set_up_logs
        from cascade.trace import FrameTrace

        level = LogLevel.INFO if self.trace and self.log_level is not LogLevel.DEBUG else self.log_level
        set_up_logs(level, service=service)
        frames = FrameTrace(service)
        frames.on = self.trace
        return frames


def with_common(function: Callable[Concatenate[Common, P], None]) -> Callable[..., None]:
    """Give a command the options of `Common` after its own; it gets them as its first argument."""
    _, *own = inspect.signature(function).parameters.values()
    shared = inspect.signature(Common).parameters

    @functools.wraps(function)
    def command(**given: Any) -> None:  # noqa: ANN401 - typer hands over what the options hold
        common = Common(**{name: given.pop(name) for name in shared})
        function(common, **given)  # type: ignore[call-arg] # the rest is the command's own

    options = [option.replace(kind=option.KEYWORD_ONLY) for option in (*own, *shared.values())]
    command.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined] # typer reads it
    return command
