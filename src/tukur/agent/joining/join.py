"""Joining a hub, and changing this host's key: one short connection each."""

import asyncio
import hashlib
import http.client
import random
import ssl
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from tukur.agent.joining.google import MetadataError, identity_token
from tukur.agent.joining.hub_address import hub_uri
from tukur.agent.joining.identity import Identity, JoinedFile
from tukur.agent.joining.trust import Trust, parse_pem, seen, tls_options
from tukur.protocol import auth, enrol_side, messages
from tukur.protocol.agent_side import unpack
from tukur.protocol.errors import ProtocolError
from tukur.protocol.join_token import JoinToken

TIMEOUT_S = 15.0
RETRY_S = 120.0
"""For so long a virtual machine tries to join: it boots unattended, and Google may be slow to answer."""
_RETRIED = frozenset({"google_unavailable", "too_many_tries", "too_slow"})
_LARGEST = 64 * 1024


class UnreachableError(Exception):
    """The hub does not answer."""


class UntrustedError(Exception):
    """Whoever answers is not the hub that is meant."""


async def join(hub: str, token: JoinToken, hostname: str) -> Identity:
    """Makes this machine a host of the hub, by a new key.

    Nothing of the token is said before the hub is verified by it. Raises HubAddressError, UnreachableError,
    UntrustedError, ProtocolError where the hub refuses, and MetadataError where the token is for a virtual
    machine of Google and this is none.
    """
    hub = hub.rstrip("/")
    uri = hub_uri(hub)
    authorities = None
    if token.authority is not None:
        authorities = [await asyncio.to_thread(_authority, hub, token.authority)]
    key = auth.new_key()

    async def first(challenge: messages.Challenge, certificate: bytes) -> bytes:
        return enrol_side.join(
            challenge, secret=token.secret, key=key, hostname=hostname, certificate=certificate
        )

    async def first_of_instance(challenge: messages.Challenge, certificate: bytes) -> bytes:
        shown = await identity_token(auth.instance_audience(challenge.nonce, certificate))
        return enrol_side.instance_join(
            challenge, token=shown, key=key, hostname=hostname, certificate=certificate
        )

    trust = Trust(None if authorities is None else tuple(authorities))
    if token.secret:
        answer = await _exchange(uri, trust, first)
    else:
        answer = await _persistently(lambda: _exchange(uri, trust, first_of_instance))
    if not isinstance(answer, messages.Joined):
        raise UntrustedError(f"{hub} answers a join with {type(answer).__name__}")
    return Identity(
        hub=hub,
        host_id=answer.host_id,
        key=key,
        order_key=answer.order_key,
        authorities=authorities,
        google=not token.secret,
    )


async def rotate(file: JoinedFile) -> None:
    """Puts a new key in place of this host's. What fails half-way is finished by the next try.

    The new key is on the disk before the hub hears of it: wherever this ends, the running agent has the
    one that the hub knows. Raises IdentityError and what :func:`join` raises.
    """
    made = auth.new_key()
    identity = file.change(lambda known: msgspec.structs.replace(known, next_key=known.next_key or made))

    async def first(challenge: messages.Challenge, certificate: bytes) -> bytes:
        return enrol_side.rotate(
            challenge,
            host_id=identity.host_id,
            old=identity.key,
            new=identity.next_key,
            certificate=certificate,
        )

    answer = await _exchange(hub_uri(identity.hub), identity.trust, first)
    if not isinstance(answer, messages.Rotated):
        raise UntrustedError(f"{identity.hub} answers a new key with {type(answer).__name__}")
    file.change(lambda known: msgspec.structs.replace(known, key=known.next_key, next_key=b""))


async def _persistently(attempt: Callable[[], Awaitable[messages.FromHub]]) -> messages.FromHub:
    """Tries again, with the same key, where the next try may go well: the hub takes it for the same join."""
    loop = asyncio.get_running_loop()
    until, delay = loop.time() + RETRY_S, 1.0
    while True:
        try:
            return await attempt()
        except (MetadataError, UnreachableError, ProtocolError) as error:
            final = isinstance(error, ProtocolError) and error.code not in _RETRIED
            if final or loop.time() + delay > until:
                raise
        # Jitter: the machines of a group boot together.
        await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311
        delay = min(delay * 2, 15.0)


async def _exchange(
    uri: str, trust: Trust, first: Callable[[messages.Challenge, bytes], Awaitable[bytes]]
) -> messages.FromHub:
    """What the hub answers to a first word."""
    try:
        tls = tls_options(uri, trust)
        async with (
            asyncio.timeout(TIMEOUT_S),
            connect(uri, max_size=_LARGEST, compression=None, proxy=None, **tls) as socket,
        ):
            challenge = unpack(_binary(await socket.recv()))
            if not isinstance(challenge, messages.Challenge):
                raise UntrustedError(f"{uri} begins with {type(challenge).__name__}; no hub does so")
            await socket.send(await first(challenge, seen(socket)))
            return unpack(_binary(await socket.recv()))
    except ssl.SSLCertVerificationError as error:
        raise UntrustedError(f"{uri} is not to be trusted: {error.verify_message}") from error
    except InvalidStatus as error:
        raise UnreachableError(f"{uri} answers {error.response.status_code}; a hub expected") from error
    except (OSError, ConnectionClosed, InvalidHandshake, InvalidURI, TimeoutError) as error:
        raise UnreachableError(f"{uri} cannot be reached: {error or 'no answer in time'}") from error


def _binary(data: str | bytes) -> bytes:
    return data if isinstance(data, bytes) else data.encode()


def _authority(hub: str, fingerprint: bytes) -> bytes:
    """The hub's authority as DER. Whoever hands it over: it is the one, or it is refused."""
    parts = urlsplit(hub)
    # Nothing secret is said on this connection, and what comes is checked by its hash.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(
        str(parts.hostname), parts.port or 443, timeout=TIMEOUT_S, context=context
    )
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/ca.pem")
        with connection.getresponse() as response:
            content = response.read(_LARGEST)
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(f"{hub} cannot be reached: {error or 'no answer in time'}") from error
    finally:
        connection.close()
    if response.status == 421:
        raise UnreachableError(f"the hub is not called {parts.hostname}: see `tukur hub --name`")
    try:
        found = parse_pem(content.decode("ascii")) if response.status == 200 else []
    except ValueError:
        found = []
    for certificate in found:
        if hashlib.sha256(certificate).digest() == fingerprint:
            return certificate
    shown = ", ".join(hashlib.sha256(one).hexdigest() for one in found) or "none"
    raise UntrustedError(
        f"{hub} is not the hub of this token: its authority is {shown}, the token's {fingerprint.hex()}"
    )
