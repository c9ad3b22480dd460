"""HTTPS with a certificate of the operator's, or of our own making."""

from __future__ import annotations

import socket
import ssl
import stat
from pathlib import Path

import aiohttp
import pytest

from selam_agent import app_tls
from selam_agent.app import App
from selam_agent.errors import SettingsError
from selam_agent.settings import Server, Settings
from tests.wire.doors import KEY, Client, scripted


async def test_the_page_and_the_socket_over_https(tmp_path: Path) -> None:
    settings = Settings(server=Server(port=0, data_dir=tmp_path, tls="auto"))
    app = await App.build(settings, api_key=KEY, engines=scripted())
    await app.start()
    try:
        assert app.url.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=tmp_path / "tls" / "certificate.pem")
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"https://localhost:{app.port}/", ssl=trusting) as answer,
        ):
            assert answer.status == 200
        link = app.page_link()
        assert link is not None and link.startswith(f"{app.url}/#token=tmp-selam-")
        async with Client(app) as client:
            client.sio.eio.ssl_verify = False
            await client.connect({"temporary_token": link.partition("=")[2], "voice": "aria"})
            assert (await client.wait("connected"))["next_token"]
    finally:
        await app.stop()


def test_a_certificate_is_kept_while_it_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(data_dir=tmp_path, tls="auto")
    certificate, key = tmp_path / "tls" / "certificate.pem", tmp_path / "tls" / "key.pem"
    assert isinstance(app_tls.context(server), ssl.SSLContext)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    first = certificate.read_bytes()
    app_tls.context(server)
    assert certificate.read_bytes() == first
    monkeypatch.setattr(app_tls, "lan_address", lambda: "192.0.2.7")
    app_tls.context(server)  # another network: the old one would not be for its address
    second = certificate.read_bytes()
    assert second != first
    certificate.write_text("broken")
    app_tls.context(server)
    assert certificate.read_bytes() not in (b"broken", second)
    # The operator's own files do as well.
    own = Server(data_dir=tmp_path, tls_cert=certificate, tls_key=key)
    assert isinstance(app_tls.context(own), ssl.SSLContext)


def test_what_cannot_be_used_is_said(tmp_path: Path) -> None:
    assert app_tls.context(Server(data_dir=tmp_path)) is None
    with pytest.raises(SettingsError, match="both or neither"):
        app_tls.context(Server(data_dir=tmp_path, tls_cert=tmp_path / "a.pem"))
    with pytest.raises(SettingsError, match=r"a\.pem"):
        app_tls.context(Server(data_dir=tmp_path, tls_cert=tmp_path / "a.pem", tls_key=tmp_path / "b.pem"))
    (tmp_path / "tls").write_text("a file where the folder should be")
    with pytest.raises(SettingsError, match="nothing can be written"):
        app_tls.context(Server(data_dir=tmp_path, tls="auto"))


def test_other_machines_get_the_address_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    address = app_tls.lan_address()
    assert address is None or socket.inet_aton(address)
    monkeypatch.setattr(app_tls, "_ELSEWHERE", ("127.0.0.1", 9))
    assert app_tls.lan_address() is None
