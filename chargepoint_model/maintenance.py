"""Firmware updates and uploads of logs: what a charge point does over some time, and reports on its way.

Nothing is fetched from a location or sent to one: what is shown is the sequence of statuses that a charge
point goes through (OCPP 1.6, sections 4.4, 4.5, 5.9 and 5.19; security whitepaper, sections 4.8 and 4.9). A
location that no charge point could reach fails as it would.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cascade.frames import Payload
from chargepoint_model.station import Station

REACHABLE = frozenset({"ftp", "ftps", "http", "https", "sftp", "file"})
"""The schemes of locations that a charge point can be taken to reach."""

FINAL = frozenset({"DownloadFailed", "Installed", "Uploaded", "UploadFailed", "UploadFailure"})
"""The statuses after which nothing is done any more."""

Tell = Callable[[str], None]
"""Reports a status."""


class Maintenance:
    """The maintenance of one charge point: at most one firmware update and one upload at a time.

    Args:
        station: the charge point.
    """

    def __init__(self, station: Station) -> None:
        self._station = station
        self._statuses: dict[str, Payload] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._after_reboot: list[Callable[[], None]] = []

    def status(self, action: str) -> Payload:
        """The payload of a status notification as it stands: Idle while nothing is done (section 5.17)."""
        return self._statuses.get(action, {"status": "Idle"})

    def rebooted(self) -> None:
        """Go on with what waited for the reboot."""
        waiting, self._after_reboot = self._after_reboot, []
        for go_on in waiting:
            go_on()

    # --- firmware -------------------------------------------------------------------------------------------

    def update(self, location: str, retrieve_at: datetime) -> None:
        """Update the firmware as UpdateFirmware asks."""
        self._begin("firmware", self._update(location, retrieve_at, self._teller("FirmwareStatusNotification")))

    def update_signed(self, location: str, retrieve_at: datetime, request_id: int) -> bool:
        """Update the firmware as SignedUpdateFirmware asks; True if that cancels another update."""
        tell = self._teller("SignedFirmwareStatusNotification", request_id)
        return self._begin("firmware", self._update(location, retrieve_at, tell, signed=True))

    async def _update(self, location: str, retrieve_at: datetime, tell: Tell, *, signed: bool = False) -> None:
        station = self._station
        wait_s = (retrieve_at - station.time.utc()) / timedelta(seconds=1)
        if wait_s > 0:
            if signed:
                tell("DownloadScheduled")
            await self._wait(wait_s)
        tell("Downloading")
        if not reachable(location):
            tell("DownloadFailed")
            return
        tell("Downloaded")
        if signed:
            tell("SignatureVerified")
        while busy := [one for one in station.connectors.values() if one.in_transaction]:
            await busy[0].changed.wait()
        tell("Installing")
        if signed:
            tell("InstallRebooting")
        self._after_reboot.append(lambda: self._installed(tell))
        station.resets.put_nowait("Soft")

    async def _wait(self, seconds: float) -> None:
        """Wait for model time to pass; it is for drivers to let it."""
        due = asyncio.Event()
        timer = self._station.time.later(seconds, due.set)
        try:
            await due.wait()
        finally:
            timer.cancel()

    def _installed(self, tell: Tell) -> None:
        tell("Installed")
        self._station.report("FirmwareUpdated")

    # --- uploads --------------------------------------------------------------------------------------------

    def upload_diagnostics(self, location: str) -> None:
        """Upload as GetDiagnostics asks."""
        self._begin("upload", _upload(location, self._teller("DiagnosticsStatusNotification"), "UploadFailed"))

    def upload_log(self, location: str, request_id: int) -> bool:
        """Upload as GetLog asks; True if that cancels another upload."""
        tell = self._teller("LogStatusNotification", request_id)
        return self._begin("upload", _upload(location, tell, "UploadFailure"))

    # --- both -----------------------------------------------------------------------------------------------

    def _begin(self, kind: str, work: Coroutine[Any, Any, None]) -> bool:
        before = self._running.get(kind)
        cancels = before is not None and not before.done()
        if before is not None:
            before.cancel()
        self._running[kind] = self._station.spawn(work)
        return cancels

    def _teller(self, action: str, request_id: int | None = None) -> Tell:
        def tell(status: str) -> None:
            payload = {"status": status} if request_id is None else {"status": status, "requestId": request_id}
            self._statuses[action] = {"status": "Idle"} if status in FINAL else payload
            self._station.outbox.report(action, payload)

        return tell


async def _upload(location: str, tell: Tell, failed: str) -> None:
    tell("Uploading")
    tell("Uploaded" if reachable(location) else failed)


def reachable(location: str) -> bool:
    """Whether a charge point could reach a location: it can only be told from its looks."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return False
    return parts.scheme in REACHABLE and bool(parts.netloc or parts.path)
