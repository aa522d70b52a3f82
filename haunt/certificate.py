"""The certificate that clients are shown, read from its files."""

from __future__ import annotations

import ssl
import time
from pathlib import Path
from typing import Literal

from haunt.errors import HauntError

File = Literal["certificate", "key"]

# X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which Python has no name for.
WHATEVER_THE_TIME = 0x200000
WORDS = {
    "KEY_VALUES_MISMATCH": ("key", "does not belong to the certificate; name the key it was made with"),
    "EE_KEY_TOO_SMALL": ("certificate", "is of a key too short to be trusted; have it made anew"),
    "CA_MD_TOO_WEAK": ("certificate", "is signed in a way no longer trusted; have it made anew"),
}


class Unusable(HauntError):
    """Which of the two files cannot be used, and why."""

    def __init__(self, file: File, reason: str) -> None:
        super().__init__(reason)
        self.file: File = file


def present(certificate: str, key: str) -> ssl.SSLContext:
    """What a server speaks TLS with, 1.2 at least. Raises Unusable."""
    _look_into("certificate", certificate, "CERTIFICATE")
    _look_into("key", key, "PRIVATE KEY")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except ssl.SSLError as error:
        file, reason = WORDS.get(error.reason or "", ("certificate", f"cannot be used: {error.reason or error}"))
        raise Unusable("key" if file == "key" else "certificate", reason) from None
    return context


def renew(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Show the certificate as it is now to those who connect from now on. Raises Unusable, and changes nothing then."""
    present(certificate, key)
    context.load_cert_chain(certificate, key, password=_refuse_password)


def seconds_left(context: ssl.SSLContext) -> float | None:
    """Until the certificate ends, less than zero once it did; None where that cannot be told."""
    certificate = _shown_by(context)
    ends = certificate and certificate.get("notAfter")
    return ssl.cert_time_to_seconds(str(ends)) - time.time() if ends else None


def _look_into(file: File, path: str, what: str) -> None:
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise Unusable(file, f"cannot be read: {error.strerror}: {path}") from None
    if what.encode() not in text:
        raise Unusable(file, f"holds no '-----BEGIN {what}-----', as a PEM file does: {path}")


def _refuse_password() -> str:
    raise Unusable("key", "is locked by a password; take it off with: openssl pkey -in KEY -out NEW-KEY")


def _shown_by(context: ssl.SSLContext) -> dict[str, object] | None:
    """What a client is shown, by a handshake in memory: Python reads a certificate in no other way."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    shown = _handshake(context, client).getpeercert(binary_form=True)
    if shown is None:
        return None
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.load_verify_locations(cadata=shown)
    client.verify_flags = ssl.VerifyFlags(WHATEVER_THE_TIME) | ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        return dict(_handshake(context, client).getpeercert() or {})
    except ssl.SSLError:
        return None


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> ssl.SSLObject:
    upwards, downwards = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(upwards, downwards, server_side=True)
    theirs = client.wrap_bio(downwards, upwards)
    for _ in range(8):
        for side in (theirs, ours):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return theirs
