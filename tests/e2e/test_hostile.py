"""What the network and local strangers try: one line in the log, and nothing else is harmed.

The peer that misbehaves is this file, over real TLS; a good peer stays connected all the while.
"""

import os
import re
import select
import socket
import ssl
import struct
from contextlib import ExitStack, suppress

import pytest

from conftest import Pki, is_running, not_quick, process_status, wait_for

ALPN = "amparo/1"
FRAME_MAX = 1 << 20
HELLO_MAX = 1 << 16
EX_NOPERM = 77


def context(pki, name=None, alpn=ALPN, version=ssl.TLSVersion.TLSv1_3, trust="one.cz.example"):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.load_verify_locations(pki.folder / "trust" / trust / "ca.pem")
    c.minimum_version = c.maximum_version = version
    if name:
        c.load_cert_chain(pki.home(name) / "tls.pem", pki.home(name) / "tls.key")
    if alpn:
        c.set_alpn_protocols([alpn])
    return c


def connect(node, source="127.0.0.1"):
    s = socket.create_connection(("127.0.0.1", node.port), timeout=20, source_address=(source, 0))
    return s


def tls(node, pki, *words, **options):
    """A session as the dialler sees it: TLS 1.3 stands before the listener has judged us."""
    return context(pki, *words, **options).wrap_socket(connect(node))


def read_to_end(s):
    """All that comes until the other side ends it, properly or not."""
    content = b""
    try:
        while True:
            some = s.recv(65536)
            if not some:
                return content
            content += some
    except (ConnectionError, ssl.SSLError):
        return content


def frame(body):
    return struct.pack(">I", len(body)) + body


def read_exactly(s, n):
    content = b""
    while len(content) < n:
        some = s.recv(n - len(content))
        assert some, "the connection ended within a frame"
        content += some
    return content


def read_frame(s):
    return read_exactly(s, struct.unpack(">I", read_exactly(s, 4))[0])


@pytest.fixture
def attacked(pair):
    """A node with a good peer; afterwards that peer is still there, on the session it had, and the
    attack is one line in the log (the test says which)."""
    one, two = pair
    sessions = one.log_lines(r"info: connected peer=")
    pids = one.pids()
    before = len(one.log().splitlines())
    one.expected = None
    yield one
    assert one.expected, "the test has to say what the log says"
    one.wait_log(one.expected)
    assert one.json("status")[0]["state"] == "serving"
    one.wait_connected(two)
    assert one.pids() == pids
    said = [line for line in one.log().splitlines()[before:] if re.search(r"^<[0-4]>", line)]
    assert len(said) == 1 and re.search(one.expected, said[0]), said
    assert one.log_lines(r"info: connected peer=spiffe://two") == sessions


def test_garbage(attacked):
    with connect(attacked) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
        read_to_end(s)
    attacked.expected = r"a connection failed .*peer=unknown error=ERR_TLS"


def test_cut_off_in_the_handshake(attacked):
    with connect(attacked) as s:
        s.sendall(b"\x16\x03\x01\x02\x00\x01")
    attacked.expected = r"peer=unknown error=ERR_TLS .*cut off"


def test_a_handshake_without_end(attacked):
    """Records that are well-formed and lead nowhere: the handshake has a limit of bytes."""
    with connect(attacked) as s:
        try:
            for _ in range(1000):
                s.sendall(b"\x16\x03\x01\x40\x00" + b"\x01\x00\xff\xff" + b"a" * 16380)
        except ConnectionError:
            pass
        read_to_end(s)
    attacked.expected = r"a connection failed .*peer=unknown error=ERR_(TLS|LIMIT)"


@pytest.mark.parametrize("options", ({"alpn": None}, {"alpn": "h2"}), ids=("none", "other"))
def test_wrong_protocol(attacked, pki, options):
    try:
        with tls(attacked, pki, "two.sk.example/office", **options) as s:
            read_to_end(s)
    except (ConnectionError, ssl.SSLError):
        pass
    attacked.expected = r"peer=unknown error=ERR_TLS"


def test_old_tls(attacked, pki):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        tls(attacked, pki, "two.sk.example/office", version=ssl.TLSVersion.TLSv1_2)
    attacked.expected = r"peer=unknown error=ERR_TLS"


def test_no_certificate(attacked, pki):
    with tls(attacked, pki) as s:
        assert read_to_end(s) == b""
    attacked.expected = r"peer=unknown error=ERR_TLS"


def test_certificate_of_another_ca(attacked, tmp_path):
    """The same names, by CAs that nobody trusts."""
    false = Pki(tmp_path / "false", ["two.sk.example/office"])
    c = context(attacked.pki)
    home = false.home("two.sk.example/office")
    c.load_cert_chain(home / "tls.pem", home / "tls.key")
    with c.wrap_socket(connect(attacked)) as s:
        assert read_to_end(s) == b""
    attacked.expected = r"peer=unknown error=ERR_CERT"


def test_seal_certificate_for_tls(attacked, pki):
    c = context(attacked.pki)
    home = pki.home("two.sk.example/office")
    c.load_cert_chain(home / "seal.pem", home / "seal.key")
    try:
        with c.wrap_socket(connect(attacked)) as s:
            assert read_to_end(s) == b""
    except (ConnectionError, ssl.SSLError):
        pass
    attacked.expected = r"peer=unknown error=ERR_(CERT|TLS)"


def test_unknown_peer(attacked, pki):
    with tls(attacked, pki, "two.sk.example/nobody") as s:
        assert read_to_end(s) == b""
    attacked.expected = r"refused a connection .*no peer of this node: spiffe://two.sk.example/nobody"


@pytest.mark.parametrize("head, error", (
    (struct.pack(">I", 0), "ERR_FORMAT"),
    (struct.pack(">I", HELLO_MAX + 1), "ERR_LIMIT"),
    (struct.pack(">I", FRAME_MAX + 1), "ERR_LIMIT"),
    (struct.pack(">I", (1 << 31) - 1), "ERR_LIMIT"),
    (struct.pack(">I", (1 << 32) - 1), "ERR_LIMIT")))
def test_wrong_length(attacked, pki, head, error):
    with tls(attacked, pki, "two.sk.example/office") as s:
        s.sendall(head + b"x" * 100)
        read_to_end(s)
    attacked.expected = rf"amparod-gate.*a connection failed .*peer=spiffe://two\S+ error={error}"


@pytest.mark.parametrize("body", (b"x", b"\x00" * 1000, b"\x0a\x00", os.urandom(HELLO_MAX)),
                         ids=("byte", "zeros", "empty-hello", "random"))
def test_no_seal(attacked, pki, body):
    """A stolen TLS key: what comes is our Hello, which says nothing, and no frame after it."""
    with tls(attacked, pki, "two.sk.example/office") as s:
        s.sendall(frame(body))
        ours = read_frame(s)
        assert len(ours) > 100
        # At most a goodbye.
        assert len(read_to_end(s)) < 100
    attacked.expected = r"amparod-vault.*spiffe://two.sk.example/office"


# --- we dial --------------------------------------------------------------------------------------


class Listener:
    """A peer that the node dials, and that is not who it should be."""

    def __init__(self, pki, name):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pki.home(name) / "tls.pem", pki.home(name) / "tls.key")
        self.context.load_verify_locations(pki.folder / "trust/one.cz.example/ca.pem")
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.set_alpn_protocols([ALPN])
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(20)
        self.port = self.socket.getsockname()[1]

    def accept(self):
        s = self.socket.accept()[0]
        s.settimeout(20)
        return s


@pytest.fixture
def dialler(one):
    def start(listener):
        one.config["peers"] = []
        one.add_peer("two.sk.example/office", f"127.0.0.1:{listener.port}")
        one.start()
        return one
    return start


def test_somebody_else_answers(dialler, pki):
    listener = Listener(pki, "two.sk.example/nobody")
    one = dialler(listener)
    with listener.accept() as s:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            with listener.context.wrap_socket(s, server_side=True) as t:
                # The dialler judges us after our last handshake byte; nothing follows but an alert.
                assert t.recv(1) == b""
                raise ConnectionError
    one.wait_log(r"a connection failed .*peer=spiffe://two.sk.example/office error=ERR_CERT")
    assert one.json("status")[0]["state"] == "serving"


@pytest.mark.parametrize("answer", (b"", b"SSH-2.0-x\r\n", b"\x16\x03\x03\xff\xff" + b"\0" * 70000),
                         ids=("nothing", "another-protocol", "long-record"))
def test_something_else_answers(dialler, pki, answer):
    listener = Listener(pki, "two.sk.example/office")
    one = dialler(listener)
    with listener.accept() as s:
        s.recv(1)
        try:
            s.sendall(answer)
        except ConnectionError:
            pass
    one.wait_log(r"a connection failed .*peer=spiffe://two.sk.example/office error=ERR_TLS")
    assert one.json("status")[0]["state"] == "serving"


@pytest.mark.parametrize("body", (b"x", frame(b"x") * 1000, os.urandom(1000)),
                         ids=("byte", "frames", "random"))
def test_who_answers_has_no_seal(dialler, pki, body):
    listener = Listener(pki, "two.sk.example/office")
    one = dialler(listener)
    with listener.accept() as s, listener.context.wrap_socket(s, server_side=True) as t:
        t.sendall(frame(body))
        assert len(read_frame(t)) > 100
        assert len(read_to_end(t)) < 100
    one.wait_log(r"amparod-vault.*spiffe://two.sk.example/office")
    assert one.json("status")[0]["state"] == "serving"


# --- numbers --------------------------------------------------------------------------------------


def test_one_address_gets_32_places(pair, pki):
    """Silent connections of one host; others still get through, and the good peer stays."""
    one, two = pair
    silent = [connect(one, "127.0.0.2") for _ in range(64)]
    # The surplus is closed at once; the others stay open until their time is up.
    def closed():
        ready = select.select(silent, [], [], 0)[0]
        return len(ready) >= 32 and ready
    assert len(wait_for(closed, "32 connections closed")) == 32
    with tls(one, pki, "two.sk.example/nobody") as s:
        assert read_to_end(s) == b""
    one.wait_log("no peer of this node")
    one.wait_connected(two)
    for s in silent:
        s.close()


@not_quick
def test_a_flood_does_not_grow_the_gate(pair):
    one, two = pair
    gate = one.pids()["gate"]
    before = process_status(gate, "VmRSS")
    flood = [connect(one, f"127.0.{i % 50}.9") for i in range(600)]
    for s in flood:
        try:
            s.sendall(b"\x16\x03\x01\x02\x00\x01")
        except ConnectionError:
            pass
    # The flood's own time-out, or the places of others, end each of them.
    wait_for(lambda: len(select.select(flood, [], [], 0)[0]) == len(flood), "the flood's end", 30)
    for s in flood:
        s.close()
    one.wait_connected(two)
    assert is_running(gate)
    assert process_status(gate, "VmRSS") - before < 40 * 1024
    # The log did not drown.
    assert len(one.log().splitlines()) < 150


# --- the local socket -------------------------------------------------------------------------------


needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
NOBODY = {"user": 65534, "group": 65534, "extra_groups": []}


@needs_root
def test_a_stranger_is_told_so(one):
    one.start()
    done = one.amparo("status", code=EX_NOPERM, **NOBODY)
    assert "no role" in done.stderr
    one.wait_log(r"refused a local caller uid=65534")
    assert one.json("status")[0]["state"] == "serving"


@needs_root
@pytest.mark.parametrize("who", (
    {"user": 12345, "group": 65534, "extra_groups": []},
    {"user": 65534, "group": 4242, "extra_groups": []},
    {"user": 65534, "group": 65534, "extra_groups": list(range(5000, 5200)) + [4242]}),
    ids=("user", "group", "group-of-many"))
def test_roles_by_user_and_group(one, who):
    one.config["roles"] = {"operator": {"users": [12345], "groups": [4242]}}
    one.start()
    one.amparo("status", **who)
    one.amparo("status", code=EX_NOPERM, **NOBODY)
    # Not even root, when the configuration does not say so.
    one.amparo("status", code=EX_NOPERM)


def local(node):
    s = socket.socket(socket.AF_UNIX)
    # As long as the listener's queue is full, connect() waits with SO_SNDTIMEO, and fails at once
    # with Python's own time-out.
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", 20, 0))
    s.connect(node.config["socket"])
    s.settimeout(20)
    return s


@pytest.mark.parametrize("content", (
    struct.pack(">I", 0), struct.pack(">I", FRAME_MAX + 1), frame(b"\xff" * 100), b"GET / HTTP/1.0"),
    ids=("empty", "long", "no-request", "http"))
def test_local_garbage(one, content):
    one.start()
    with local(one) as s:
        s.sendall(content)
        assert read_frame(s)
    assert one.json("status")[0]["state"] == "serving"


def test_local_connections_are_counted(one):
    one.start()
    held = [local(one) for _ in range(16)]
    with local(one) as s:
        assert b"too many connections" in read_to_end(s)
    told = one.amparo("status", code=None)
    assert told.returncode != 0 and "ask again in a moment" in told.stderr
    one.wait_log("too many local connections")
    held.pop().close()
    wait_for(lambda: one.amparo("status", code=None).returncode == 0, "a free place")
    for s in held:
        s.close()


def test_a_caller_that_goes_away(one):
    """Requests without waiting for replies, again and again: faster than the node takes them, so
    that it turns some away; then there is a place again, for as many as before."""
    one.start()
    status = frame(b"\x08\x01\xba\x01\x00")
    with local(one) as s:
        s.sendall(status)
        assert b"serving" in read_frame(s)
    for _ in range(50):
        # The node may have no place for this user and close at once.
        with local(one) as s, suppress(BrokenPipeError, ConnectionResetError):
            s.sendall(status * 40)

    def all_are_served():
        with ExitStack() as held, suppress(BrokenPipeError, ConnectionResetError):
            callers = [held.enter_context(local(one)) for _ in range(16)]
            for s in callers:
                s.sendall(status)
            return all(b"serving" in read_frame(s) for s in callers)

    wait_for(all_are_served, "places for as many as before")


def test_many_requests_on_one_connection(one):
    """More at once than may be in flight: all are answered, in order."""
    one.start()
    with local(one) as s:
        s.sendall(b"".join(frame(b"\x08" + bytes([i]) + b"\xba\x01\x00") for i in range(1, 120)))
        for i in range(1, 120):
            assert read_frame(s)[:2] == b"\x08" + bytes([i])
