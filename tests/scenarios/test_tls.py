"""wss:// between real processes: hub, central systems, peers, and charge points with passwords."""

import asyncio
import ipaddress
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from cascade.client import basic, dial, link_url
from cascade.errors import LinkLostError
from cascade.ocpp16 import SUBPROTOCOL
from cpo_central.chargers.acceptance import Registration
from cpo_central.commands import charge_points
from cpo_central.commands.records import put_tokens
from cpo_central.drivers.token_csv import read_token
from nap.store.sqlite import SqliteStore
from scenarios.process import Watched, run
from tests.nap.actors import NOW, SECRET, SECRET_HASH, operator

PASSWORD = "a charge point's password"


class Authority:
    """A certificate authority for this test.

    Args:
        folder: where its files go.
        name: its name, and that of its file.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = self._sign(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0))
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self._certificate.public_bytes(Encoding.PEM))

    def certify(self, who: str) -> tuple[Path, Path]:
        """The files of a certificate for 127.0.0.1, and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, who)])
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        signed = self._sign(subject, key, address)
        files = self._folder / f"{who}.crt", self._folder / f"{who}.key"
        files[0].write_bytes(signed.public_bytes(Encoding.PEM))
        files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return files

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
            .sign(self._key, hashes.SHA256())
        )


class Site:
    """The processes, each with a certificate of the authority; an asynchronous context.

    Args:
        folder: for databases and certificates.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = AsyncExitStack()
        self.authority = Authority(folder, "authority")
        self._hub_url: str

    async def __aenter__(self) -> Self:
        store = await SqliteStore.open(self._folder / "hub.sqlite", NOW)
        await store.operators.add(*((operator(who), SECRET_HASH) for who in ("C1", "C2", "C3")), now=NOW)
        await store.close()
        hub = await self._serve("hub", "nap", {"NAP_PORT": "0", **self._settings("hub", "NAP")})
        self._hub_url = (await hub.event("listening"))["url"]
        assert self._hub_url.startswith("wss://")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _serve(self, name: str, module: str, settings: Mapping[str, str]) -> Watched:
        process = await Watched.start(name, module, ["serve"], settings)
        self._stack.push_async_callback(process.stop)
        return process

    def _settings(self, who: str, prefix: str) -> dict[str, str]:
        certificate, key = self.authority.certify(who)
        return {
            f"{prefix}_DATABASE": str(self._folder / f"{who}.sqlite"),
            f"{prefix}_TLS_CERTIFICATE": str(certificate),
            f"{prefix}_TLS_KEY": str(key),
        }

    async def central(self, who: str, id_tag: str, ca: Path, mode: str) -> Watched:
        """A central system with a driver, and a charge point that has a password."""
        settings = self._settings(who, "CPO") | {
            "CPO_OPERATOR_ID": who,
            "CPO_HUB_URL": self._hub_url,
            "CPO_HUB_CREDENTIAL": SECRET,
            "CPO_HUB_CA": str(ca),
            "CPO_MODES": mode,
            "CPO_PORT": "0",
            "CPO_PEER_PORT": "0",
            "CPO_CHARGER_CREDENTIALS": "required",
        }
        database = Path(settings["CPO_DATABASE"])
        await put_tokens(database, [read_token({"idTag": id_tag})])
        await charge_points.add(database, "CP-1", Registration.ACCEPTED, PASSWORD)
        return await self._serve(who, "cpo_central", settings)

    async def charge(self, central: Watched, id_tag: str) -> None:
        """One session at the central system's charge point."""
        url = (await central.event("listening"))["url"]
        arguments = ["charge", "--url", url, "--id", "CP-1", "--tag", id_tag]
        trust = {"SSL_CERT_FILE": str(self.authority.file), "CHARGEPOINT_PASSWORD": PASSWORD}
        await run("charge point", "chargepoint_model", arguments, trust)

    async def refusal(self, central: Watched, password: str, ca: Path) -> str:
        """Why a charge point does not get in."""
        url = (await central.event("listening"))["url"]
        with pytest.raises(LinkLostError) as refused:
            await dial(
                link_url(url, "CP-1"),
                subprotocols=[SUBPROTOCOL],
                max_size=1000,
                authorization=basic("CP-1", password),
                tls=ssl.create_default_context(cafile=ca),
            )
        return str(refused.value)


async def test_drivers_are_let_in_and_billed_over_wss_by_whom_one_trusts(tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger").file
    async with Site(tmp_path) as site:
        ca = site.authority.file
        one, other, lost = [
            await site.central("C1", "ANNA-1", ca, "hub"),
            await site.central("C2", "BOB-1", ca, "peer"),
            await site.central("C3", "CARL-1", stranger, "hub"),
        ]
        assert (await one.event("listening"))["peer_url"].startswith("wss://")
        await asyncio.gather(one.event("published"), other.event("published"))
        await asyncio.gather(site.charge(one, "BOB-1"), site.charge(other, "ANNA-1"))
        for visited, home, route in ((one, other, "hub"), (other, one, "peer")):
            decided = await visited.event("authorization")
            assert (decided["decided_by"], decided["status"]) == (route, "Accepted")
            billed = await home.event("cdr", lambda event: event["stage"] == "received")
            assert (billed["route"], billed["reason"]) == (route, None)
        because = (await lost.event("relinking"))["because"]
        assert "/ocpp/C3 cannot be reached: " in because
        assert "certificate verify failed" in because
        assert "certificate verify failed" in await site.refusal(one, PASSWORD, stranger)
        assert "401" in await site.refusal(one, "a guess", ca)
