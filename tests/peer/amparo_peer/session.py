"""PROTOCOL.md 5.1 and 5.2: TLS 1.3 on both sides' certificates, frames, and the bytes of Hello."""

import pathlib
import re
import socket
import time
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from google.protobuf.message import Message
from OpenSSL import SSL, crypto

from . import codec
from .codec import H, pb

ALPN = b"amparo/1"
EXPORTER = b"EXPORTER-Channel-Binding"   # RFC 9266
FRAME_MAX = 1 << 20
HELLO_S = 10
DIALLER, LISTENER = 1, 2
SIGNATURE_BYTES = 66   # tag 7A, length 40, 64 bytes: the end of every Hello
_AGENCY = re.compile(r"spiffe://(?P<domain>[a-z0-9.-]{1,253})/(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


class SessionEnded(Exception):
    """The other side closed, said Bye (`bye` holds it), or nothing came in time."""

    def __init__(self, why: str, bye: Message | None = None) -> None:
        super().__init__(why)
        self.bye = bye


class BadIdentity(Exception):
    """A certificate that does not say who PROTOCOL.md 5.1 wants."""


def trust_domain(agency: str) -> str:
    """The trust domain of an agency id, PROTOCOL.md 1; BadIdentity when it is none."""
    match = _AGENCY.fullmatch(agency)
    if not match or not all(map(_LABEL.fullmatch, match["domain"].split("."))):
        raise BadIdentity("no agency id")
    return match["domain"]


@dataclass(frozen=True)
class Identity:
    """The two keys of one agency, from the folder that certs/make-federation made for it."""
    agency: str
    folder: pathlib.Path
    seal_key: Ed25519PrivateKey
    seal_chain: tuple[bytes, ...]   # DER, leaf first

    @classmethod
    def load(cls, federation: pathlib.Path, agency: str) -> "Identity":
        folder = federation / "agencies" / agency.removeprefix("spiffe://")
        key = serialization.load_pem_private_key((folder / "seal.key").read_bytes(), None)
        assert isinstance(key, Ed25519PrivateKey)
        pem = re.findall(rb"-----BEGIN C.*?-----END CERTIFICATE-----\n",
                         (folder / "seal.pem").read_bytes(), re.DOTALL)
        chain = tuple(x509.load_pem_x509_certificate(p).public_bytes(
            serialization.Encoding.DER) for p in pem)
        return cls(agency, folder, key, chain)


@dataclass(frozen=True)
class Trust:
    """The CA and CRL of each country: a set of trust anchors for each trust domain."""
    federation: pathlib.Path

    def fill(self, store: crypto.X509Store, domain: str) -> None:
        folder = self.federation / "trust" / domain
        store.add_cert(crypto.load_certificate(crypto.FILETYPE_PEM,
                                               (folder / "ca.pem").read_bytes()))
        store.add_crl(crypto.load_crl(crypto.FILETYPE_PEM, (folder / "crl.pem").read_bytes()))
        store.set_flags(crypto.X509StoreFlags.CRL_CHECK | crypto.X509StoreFlags.X509_STRICT)

    def seal_key(self, chain: list[bytes], agency: str) -> Ed25519PublicKey:
        """The key of a seal certificate chain, verified for this agency (PROTOCOL.md 5.1)."""
        if not 1 <= len(chain) <= 4:
            raise BadIdentity("seal chain is too short or too long")
        store = crypto.X509Store()
        self.fill(store, trust_domain(agency))
        try:
            certs = [crypto.load_certificate(crypto.FILETYPE_ASN1, c) for c in chain]
            crypto.X509StoreContext(store, certs[0], certs[1:]).verify_certificate()
        except (crypto.Error, crypto.X509StoreContextError) as e:
            raise BadIdentity(f"seal chain: {e}") from e
        leaf = certs[0].to_cryptography()
        key = leaf.public_key()
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        if not (isinstance(key, Ed25519PublicKey) and agency_in(leaf) == agency
                and usage.content_commitment and not usage.digital_signature):
            raise BadIdentity("no seal certificate of this agency")
        return key


def agency_in(cert: x509.Certificate) -> str:
    """The agency id that a certificate names: its only subjectAltName."""
    names = list(cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    if len(names) != 1 or not isinstance(names[0], x509.UniformResourceIdentifier):
        raise BadIdentity("not exactly one URI")
    trust_domain(names[0].value)
    return names[0].value


def _context(identity: Identity, trust: Trust, peer: str) -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_options(SSL.OP_NO_TICKET)
    context.use_certificate_chain_file(str(identity.folder / "tls.pem"))
    context.use_privatekey_file(str(identity.folder / "tls.key"))
    trust.fill(context.get_cert_store(), trust_domain(peer))
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
                       lambda _conn, _cert, _error, _depth, ok: bool(ok))
    context.set_alpn_protos([ALPN])
    context.set_alpn_select_callback(
        lambda _conn, offered: ALPN if ALPN in offered else SSL.NO_OVERLAPPING_PROTOCOLS)
    return context


class Session:
    """One connection: TLS over memory buffers, so that each read has its deadline."""

    def __init__(self, sock: socket.socket, identity: Identity, trust: Trust, peer: str,
                 role: int) -> None:
        self.role = role
        self.peer = peer
        self._sock = sock
        self._received = bytearray()
        self._tls = SSL.Connection(_context(identity, trust, peer), None)
        (self._tls.set_connect_state if role == DIALLER else self._tls.set_accept_state)()
        try:
            self._handshake(time.monotonic() + HELLO_S)
        except BaseException:
            sock.close()
            raise
        self.exporter = self._tls.export_keying_material(EXPORTER, 32, b"")

    @classmethod
    def dial(cls, address: tuple[str, int], identity: Identity, trust: Trust,
             peer: str) -> "Session":
        return cls(socket.create_connection(address, HELLO_S), identity, trust, peer, DIALLER)

    @classmethod
    def accept(cls, listener: socket.socket, identity: Identity, trust: Trust, peer: str,
               timeout: float) -> "Session":
        listener.settimeout(timeout)
        return cls(listener.accept()[0], identity, trust, peer, LISTENER)

    def _handshake(self, deadline: float) -> None:
        while True:
            try:
                self._tls.do_handshake()
                break
            except SSL.WantReadError:
                self._flush()
                self._fill(deadline)
            except SSL.Error as e:
                self._flush()
                raise SessionEnded(f"TLS: {e}") from e
        self._flush()
        if self._tls.get_alpn_proto_negotiated() != ALPN:
            raise SessionEnded("no ALPN amparo/1")
        if agency_in(self._tls.get_peer_certificate().to_cryptography()) != self.peer:
            raise BadIdentity("TLS certificate of another agency")

    def _flush(self) -> None:
        """Write out what TLS has made."""
        try:
            while True:
                self._sock.sendall(self._tls.bio_read(65536))
        except SSL.WantReadError:
            pass
        except OSError as e:
            raise SessionEnded(f"write: {e}") from e

    def _fill(self, deadline: float) -> None:
        """Read what has come, before the deadline."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("nothing came in time")
        self._sock.settimeout(left)
        try:
            data = self._sock.recv(65536)
        except TimeoutError:
            raise
        except OSError as e:
            raise SessionEnded(f"read: {e}") from e
        if not data:
            raise SessionEnded("closed")
        self._tls.bio_write(data)

    def _need(self, n: int, deadline: float) -> None:
        """Have at least n bytes of the stream."""
        while len(self._received) < n:
            try:
                self._received += self._tls.recv(65536)
            except SSL.WantReadError:
                self._flush()
                self._fill(deadline)
            except SSL.Error as e:   # ZeroReturnError is close_notify
                raise SessionEnded(f"closed: {e}") from e

    def send_raw(self, data: bytes) -> None:
        """Any bytes into the TLS stream."""
        try:
            self._sock.settimeout(HELLO_S)
            for at in range(0, len(data), 16384):
                self._tls.sendall(data[at:at + 16384])
                self._flush()
        except SSL.Error as e:
            raise SessionEnded(f"write: {e}") from e

    def send(self, frame: Message) -> None:
        data = codec.encode(frame)
        assert 1 <= len(data) <= FRAME_MAX
        self.send_raw(len(data).to_bytes(4, "big") + data)

    def receive(self, timeout: float) -> Message:
        """The next frame; SessionEnded at the end, TimeoutError when none is whole in time (what
        has come of it is kept for the next call)."""
        deadline = time.monotonic() + timeout
        self._need(4, deadline)
        length = int.from_bytes(self._received[:4], "big")
        if not 1 <= length <= FRAME_MAX:
            raise SessionEnded("length out of range")
        self._need(4 + length, deadline)
        data = bytes(self._received[4:4 + length])
        del self._received[:4 + length]
        frame = codec.decode(pb.Frame, data)
        if len(frame.ListFields()) != 1:
            raise SessionEnded("not exactly one field in a frame")
        if frame.HasField("bye"):
            raise SessionEnded(f"bye {frame.bye.code}", frame.bye)
        return frame

    def close(self) -> None:
        try:
            self._tls.shutdown()
            self._flush()
        except (SSL.Error, SessionEnded):
            pass
        self._sock.close()


# --- Hello --------------------------------------------------------------------------------------


def hello_signed(role: int, exporter: bytes, without_signature: bytes) -> bytes:
    """What a Hello's signature is over."""
    return b"amparo/v1/hello\0" + bytes([role]) + exporter + H(without_signature)


def sign_hello(hello: Message, role: int, exporter: bytes, key: Ed25519PrivateKey) -> None:
    hello.ClearField("signature")
    hello.signature = key.sign(hello_signed(role, exporter, codec.encode(hello)))


def verify_hello(hello: Message, role: int, exporter: bytes, key: Ed25519PublicKey) -> None:
    """Raise BadIdentity unless `key` signed this Hello in this role on this TLS session."""
    data = codec.encode(hello)[:-SIGNATURE_BYTES]
    try:
        key.verify(hello.signature, hello_signed(role, exporter, data))
    except InvalidSignature as e:
        raise BadIdentity("Hello is not signed by the seal key for this session") from e
