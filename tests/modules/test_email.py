"""`email:send` against a real SMTP server on loopback: aiosmtpd, with STARTTLS and credentials."""

from __future__ import annotations

import asyncio
import base64
import email
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, cast

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from nexq import JobState, Nexq
from nexq.errors import ConfigError, InvalidPayload
from nexq.modules import find
from nexq.modules.email_smtp import Smtp
from tests.modules.conftest import outcome, quick

TYPE = "email:send"
TO = "ada@example.com"


class Post:
    """Keeps what it is sent. `say`: the command, or the recipient -> answers to give instead of 250, in turn."""

    def __init__(self) -> None:
        self.got: list[Envelope] = []
        self.say: dict[str, list[str]] = {}
        self.users: list[str] = []
        self.tls: list[bool] = []

    def _answer(self, what: str) -> str:
        answers = self.say.get(what, [])
        return answers.pop(0) if answers else "250 OK"

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        answer = self._answer(address)
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = self._answer("DATA")
        if answer == "hang":
            await asyncio.sleep(3600)
        if answer.startswith("250"):
            self.got.append(envelope)
            self.tls.append(session.ssl is not None)
        return answer

    def log_in(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.users.append(data.login.decode())
        return AuthResult(success=(data.login, data.password) == (b"post", b"p@ss word"), handled=False)

    @property
    def messages(self) -> list[EmailMessage]:
        """What came, read."""
        return [cast(EmailMessage, email.message_from_bytes(cast(bytes, e.content), policy=default)) for e in self.got]


class OnAnyPort(Controller):
    """A controller that takes port 0."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is missing: no certificate can be made")
    folder = tmp_path_factory.mktemp("smtp")
    options = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2"]
    options += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([openssl, *options], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    """A plain server, set as NEXQ_SMTP_URL."""
    post = Post()
    controller = OnAnyPort(post, hostname="127.0.0.1", port=0)
    controller.start()
    monkeypatch.setenv("NEXQ_SMTP_URL", f"smtp://127.0.0.1:{controller.port}")
    monkeypatch.setenv("NEXQ_SMTP_FROM", "Nexq <jobs@example.org>")
    yield post
    controller.stop()


@pytest.fixture
def safe_post(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Post, int]]:
    """A server that wants STARTTLS and credentials."""
    post = Post()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    controller = OnAnyPort(
        post,
        hostname="127.0.0.1",
        port=0,
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=post.log_in,
    )
    controller.start()
    yield post, controller.port
    controller.stop()


async def sent(app: Nexq, payload: Any, **options: Any) -> dict[str, Any]:
    job = await outcome(app, TYPE, payload, **options)
    assert job.state is JobState.COMPLETED, job.last_error
    return {"id": job.id, **json.loads(job.result or b"")}


async def test_a_message_with_everything(app: Nexq, post: Post) -> None:
    picture = bytes(range(256))
    result = await sent(
        app,
        {
            "to": ["Ada Löve <ada@example.com>", "bob@bücher.example"],
            "cc": "carol@example.com",
            "bcc": ["dan@example.com", "ada@example.com"],
            "from": "Shop, Inc <shop@example.net>",
            "reply_to": "help@example.net",
            "subject": "Grüße " * 20,
            "body": "plain ä\n.\nend " + "x" * 2000,
            "html": "<p>html ä</p>",
            "headers": {"X-Campaign": "spring"},
            "attachments": [
                {"filename": "pïc.png", "content": base64.b64encode(picture).decode(), "type": "image/png"},
                {"filename": "data.bin", "content": "AAE="},
            ],
        },
    )
    everyone = ["ada@example.com", "bob@xn--bcher-kva.example", "carol@example.com", "dan@example.com"]
    assert (result["sent"], result["simulated"], result["accepted"], result["refused"]) == (True, False, everyone, {})
    assert post.got[0].rcpt_tos == everyone
    assert post.got[0].mail_from == "shop@example.net"
    message = post.messages[0]
    assert message["Message-ID"] == result["message_id"] == f"<nexq.{result['id']}@example.net>"
    assert message["From"] == '"Shop, Inc" <shop@example.net>'
    assert message["To"] == "Ada Löve <ada@example.com>, bob@xn--bcher-kva.example"
    assert (message["Reply-To"], message["X-Campaign"], message["Bcc"]) == ("help@example.net", "spring", None)
    assert message["Subject"] == ("Grüße " * 20).strip() or message["Subject"] == "Grüße " * 20
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None and plain.get_content().splitlines()[:2] == ["plain ä", "."]
    assert html is not None and html.get_content().strip() == "<p>html ä</p>"
    files = list(message.iter_attachments())
    assert [(f.get_filename(), f.get_content_type(), f.get_content()) for f in files] == [
        ("pïc.png", "image/png", picture),
        ("data.bin", "application/octet-stream", b"\0\1"),
    ]
    assert max(map(len, cast(bytes, post.got[0].content).split(b"\r\n"))) < 999


async def test_only_to_is_needed(app: Nexq, post: Post) -> None:
    assert (await sent(app, {"to": TO}))["accepted"] == [TO]
    assert (await sent(app, TO))["accepted"] == [TO]
    message = post.messages[1]
    assert (message["From"], message["Subject"]) == ("Nexq <jobs@example.org>", "")
    html = await sent(app, {"to": TO, "html": "<b>x</b>"})
    assert html["sent"] and post.messages[2].get_content_type() == "text/html"


async def test_a_retry_is_recognised_by_its_id(app: Nexq, post: Post) -> None:
    post.say["DATA"] = ["451 later", "250 OK"]
    async with quick(app, TYPE):
        result = await sent(app, {"to": TO}, max_attempts=3)
    assert post.messages[0]["Message-ID"] == result["message_id"]


@pytest.mark.parametrize(
    ("what", "answer", "tries"),
    [("DATA", "554 spam", 1), ("DATA", "452 full", 3), (TO, "550 no such user", 1), (TO, "450 greylisted", 3)],
)
async def test_refusals_for_now_and_for_ever(app: Nexq, post: Post, what: str, answer: str, tries: int) -> None:
    post.say[what] = [answer] * 9
    async with quick(app, TYPE):
        job = await outcome(app, TYPE, {"to": TO}, max_attempts=3)
    assert (job.state, len(job.attempts)) == (JobState.DEAD, tries)
    assert answer in job.last_error and job.attempts[0].error["type"] == "EmailFailed"


async def test_a_recipient_refused_for_now_holds_the_message_back_for_all(app: Nexq, post: Post) -> None:
    post.say["b@example.com"] = ["450 greylisted"] * 2
    payload = {"to": ["a@example.com", "b@example.com", "c@example.com"]}
    post.say["c@example.com"] = ["550 unknown"] * 9
    async with quick(app, TYPE):
        result = await sent(app, payload, max_attempts=5)
        assert [e.rcpt_tos for e in post.got] == [["a@example.com", "b@example.com"]]
        assert result["refused"] == {"c@example.com": "550 unknown"}
        # In the last attempt it goes to those who are taken.
        post.say["b@example.com"] = ["450 greylisted"] * 9
        result = await sent(app, payload, max_attempts=2)
        assert result["accepted"] == ["a@example.com"]


async def test_starttls_and_credentials(
    app: Nexq, safe_post: tuple[Post, int], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    post, port = safe_post
    where = f"127.0.0.1:{port}?ca={certificate / 'cert.pem'}"
    monkeypatch.setenv("NEXQ_SMTP_URL", f"smtp://post:p%40ss%20word@{where}")
    assert (await sent(app, {"to": TO}))["sent"]
    assert (post.tls, post.users) == ([True], ["post"])
    monkeypatch.setenv("NEXQ_SMTP_URL", f"smtp://post:wr0ng@{where}")
    job = await outcome(app, TYPE, {"to": TO})
    assert "refused the credentials of NEXQ_SMTP_URL" in job.last_error and "wr0ng" not in job.last_error
    # Its certificate is not known.
    monkeypatch.setenv("NEXQ_SMTP_URL", f"smtp://post:p%40ss%20word@127.0.0.1:{port}")
    job = await outcome(app, TYPE, {"to": TO})
    assert "certificate" in job.last_error.lower() and len(post.got) == 1


async def test_credentials_never_go_out_in_the_clear(app: Nexq, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    port = Smtp.load(os.environ["NEXQ_SMTP_URL"]).port
    monkeypatch.setenv("NEXQ_SMTP_URL", f"smtp://post:secret@127.0.0.1:{port}")
    job = await outcome(app, TYPE, {"to": TO})
    assert job.state is JobState.DEAD and post.users == [] and post.got == []


async def test_a_server_that_hangs_or_is_not_there(app: Nexq, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXQ_SMTP_TIMEOUT", "1")
    post.say["DATA"] = ["hang"]
    job = await outcome(app, TYPE, {"to": TO})
    assert "within 1 s" in job.last_error or "imed out" in job.last_error
    monkeypatch.setenv("NEXQ_SMTP_URL", "smtp://127.0.0.1:1")
    job = await outcome(app, TYPE, {"to": TO})
    assert "127.0.0.1:1 cannot be reached" in job.last_error


BAD = {
    "a subject with a header": {"to": TO, "subject": "hi\r\nBcc: x@example.com"},
    "a subject with a bare line feed": {"to": TO, "subject": "hi\nx"},
    "an address with a header": {"to": "a@example.com\nBcc: b@example.com"},
    "a name with a header": {"to": "Ada\r\nBcc: b <a@example.com>"},
    "two addresses in one": {"to": "a@example.com, b@example.com"},
    "an angle": {"to": "a@example.com> SIZE=1"},
    "no address": {"to": "ada"},
    "none": {"to": []},
    "a filename": {"to": TO, "attachments": [{"filename": "a\nb", "content": ""}]},
    "not base64": {"to": TO, "attachments": [{"filename": "a", "content": "%%%"}]},
    "a type": {"to": TO, "attachments": [{"filename": "a", "content": "", "type": "multipart/mixed"}]},
    "a header of ours": {"to": TO, "headers": {"Bcc": "x@example.com"}},
    "a header's value": {"to": TO, "headers": {"X-A": "b\nc"}},
    "a header's name": {"to": TO, "headers": {"X A": "b"}},
    "an unknown field": {"to": TO, "text": "x"},
    "an unknown field inside": {"to": TO, "attachments": [{"filename": "a", "content": "", "cid": "1"}]},
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_payloads_are_refused(app: Nexq, name: str) -> None:
    with pytest.raises(InvalidPayload, match="does not fit handler 'email:send': /"):
        await app.enqueue(TYPE, BAD[name])


async def test_the_simulation_says_that_nothing_was_sent(app: Nexq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXQ_EMAIL_LATENCY", "0-0.01")
    monkeypatch.setenv("NEXQ_EMAIL_FAILURES", "0")
    result = await sent(app, {"to": TO, "subject": "hi"})
    assert (result["sent"], result["simulated"]) == (False, True)
    assert result["note"] == "Nothing was sent: NEXQ_SMTP_URL is not set."
    monkeypatch.setenv("NEXQ_EMAIL_FAILURES", "1")
    async with quick(app, TYPE):
        job = await outcome(app, TYPE, {"to": TO}, max_attempts=2)
    assert [a.outcome for a in job.attempts] == ["retry", "bury"] and "simulated failure" in job.last_error


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("NEXQ_SMTP_URL", "http://u:secret@x", "smtp://"),
        ("NEXQ_SMTP_URL", "smtp://u:secret@x:99999", "smtp://"),
        ("NEXQ_SMTP_URL", "smtp://u:secret@x?tls=maybe", "auto, required or off"),
        ("NEXQ_SMTP_URL", "smtp://u:secret@x?starttls=1", "'starttls'"),
        ("NEXQ_SMTP_URL", "smtps://u:secret@x?ca=/nowhere", "/nowhere"),
        ("NEXQ_EMAIL_LATENCY", "5-1", "0.05-0.5"),
        ("NEXQ_EMAIL_FAILURES", "2", "0 to 1"),
    ],
)
def test_wrong_settings_are_told_without_secrets(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    found = find("email")
    assert found is not None and found.module is not None
    with pytest.raises(ConfigError) as wrong:
        found.module.status()
    assert name in str(wrong.value) and said in str(wrong.value)
    assert "secret" not in str(wrong.value)
    assert "secret" not in repr(Smtp.load("smtps://u:secret@x"))
