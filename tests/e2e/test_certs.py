"""The PKI commands of certs/: each property of the profiles, and what they refuse."""

import datetime
import hashlib
import os
import pathlib
import shutil
import stat
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

CERTS = pathlib.Path(__file__).resolve().parents[2] / "certs"
CZ = "ochrana.cz.example"
SK = "zasah.sk.example"
AGENCY = f"{CZ}/central-authority"
OTHER = f"{SK}/Centre_1.b"
KINDS = ("tls", "seal")


def run(command, *words, ok=True):
    done = subprocess.run(
        [str(CERTS / command), *map(str, words)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert (done.returncode == 0) == ok, f"{command} {words}: {done.stderr}"
    return done


def openssl(*words, ok=True):
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, timeout=60)
    assert (done.returncode == 0) == ok, f"openssl {words}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def certificate(path):
    return x509.load_pem_x509_certificate(path.read_bytes())


def extension(cert, oid):
    return cert.extensions.get_extension_for_oid(oid)


def home(federation, name):
    return federation / "agencies" / name


def verify(federation, path, domain, *options, ok=True):
    trust = federation / "trust" / domain
    return openssl("verify", "-x509_strict", "-crl_check", *options, "-CAfile", trust / "ca.pem",
                   "-CRLfile", trust / "crl.pem", path, ok=ok)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    # A space in the path, since people's folders have them.
    where = tmp_path_factory.mktemp("pki") / "a federation"
    done = run("make-federation", where, AGENCY, OTHER)
    assert done.stdout == "" and done.stderr == ""
    return where


@pytest.fixture
def federation(made, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(made, copy)
    return copy


@pytest.mark.parametrize("name", (AGENCY, OTHER))
@pytest.mark.parametrize("kind", KINDS)
def test_common_profile(made, name, kind):
    cert = certificate(home(made, name) / f"{kind}.pem")
    ca = certificate(made / "trust" / name.split("/")[0] / "ca.pem")

    assert cert.version == x509.Version.v3
    assert cert.serial_number > 0
    # As DER writes it: with a leading zero byte where the top bit is set.
    assert cert.serial_number.bit_length() // 8 + 1 <= 20
    assert cert.issuer == ca.subject
    constraints = extension(cert, ExtensionOID.BASIC_CONSTRAINTS)
    assert constraints.critical and not constraints.value.ca
    names = extension(cert, ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    assert [(type(n), n.value) for n in names] == [
        (x509.UniformResourceIdentifier, f"spiffe://{name}")]
    assert {e.oid for e in cert.extensions if e.critical} == {
        ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE}
    verify(made, home(made, name) / f"{kind}.pem", name.split("/")[0])
    # The PEM holds the leaf alone.
    assert (home(made, name) / f"{kind}.pem").read_text().count("BEGIN") == 1


def usage_bits(cert):
    usage = extension(cert, ExtensionOID.KEY_USAGE)
    assert usage.critical
    bits = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
            "key_agreement", "key_cert_sign", "crl_sign")
    return {bit for bit in bits if getattr(usage.value, bit)}


def test_tls_profile(made):
    cert = certificate(home(made, AGENCY) / "tls.pem")
    assert isinstance(cert.public_key(), ec.EllipticCurvePublicKey)
    assert cert.public_key().curve.name == "secp256r1"
    assert usage_bits(cert) == {"digital_signature"}
    assert set(extension(cert, ExtensionOID.EXTENDED_KEY_USAGE).value) == {
        ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert cert.not_valid_after - cert.not_valid_before == datetime.timedelta(days=90)
    for purpose in ("sslclient", "sslserver"):
        verify(made, home(made, AGENCY) / "tls.pem", CZ, "-purpose", purpose)


def test_seal_profile(made):
    cert = certificate(home(made, AGENCY) / "seal.pem")
    assert isinstance(cert.public_key(), ed25519.Ed25519PublicKey)
    assert usage_bits(cert) == {"content_commitment"}
    with pytest.raises(x509.ExtensionNotFound):
        extension(cert, ExtensionOID.EXTENDED_KEY_USAGE)
    assert cert.not_valid_after - cert.not_valid_before == datetime.timedelta(days=730)


def test_ca_profile(made):
    ca = certificate(made / "trust" / CZ / "ca.pem")
    assert isinstance(ca.public_key(), ec.EllipticCurvePublicKey)
    assert usage_bits(ca) == {"key_cert_sign", "crl_sign"}
    constraints = extension(ca, ExtensionOID.BASIC_CONSTRAINTS)
    assert constraints.critical and constraints.value.ca and constraints.value.path_length == 0
    names = extension(ca, ExtensionOID.NAME_CONSTRAINTS)
    assert names.critical and names.value.excluded_subtrees is None
    assert [n.value for n in names.value.permitted_subtrees] == [CZ]


def test_one_country_cannot_vouch_for_another(made):
    verify(made, home(made, AGENCY) / "tls.pem", SK, ok=False)


def test_keys_differ_fit_and_are_private(made):
    keys = set()
    for name in (AGENCY, OTHER):
        for kind in KINDS:
            path = home(made, name) / f"{kind}.key"
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            key = serialization.load_pem_private_key(path.read_bytes(), None).public_key()
            form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
            der = key.public_bytes(*form)
            assert der == certificate(path.with_suffix(".pem")).public_key().public_bytes(*form)
            keys.add(der)
    assert len(keys) == 4
    assert stat.S_IMODE((made / "ca" / CZ).stat().st_mode) == 0o700
    assert stat.S_IMODE((made / "ca" / CZ / "ca.key").stat().st_mode) == 0o600
    assert sorted(os.listdir(made / "trust" / CZ)) == ["ca.pem", "crl.pem"]


def test_crl(made):
    trust = made / "trust" / CZ
    crl = x509.load_pem_x509_crl((trust / "crl.pem").read_bytes())
    assert crl.is_signature_valid(certificate(trust / "ca.pem").public_key())
    assert crl.next_update - crl.last_update == datetime.timedelta(days=30)
    assert crl.extensions.get_extension_for_oid(ExtensionOID.CRL_NUMBER).value.crl_number > 0
    assert len(crl) == 0


def snapshot(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_again_adds_and_overwrites_nothing(federation):
    before = snapshot(federation / "agencies") | snapshot(federation / "trust")
    run("make-federation", "--days", 1, federation, AGENCY, f"{CZ}/second", "dom.pl.example/a")
    after = snapshot(federation / "agencies") | snapshot(federation / "trust")
    assert {p: after[p] for p in before} == before
    for name in (f"{CZ}/second", "dom.pl.example/a"):
        cert = certificate(home(federation, name) / "seal.pem")
        assert cert.not_valid_after - cert.not_valid_before == datetime.timedelta(days=1)


def test_interrupted_run_is_completed_with_the_same_key(federation):
    key = (home(federation, AGENCY) / "tls.key").read_bytes()
    (home(federation, AGENCY) / "tls.pem").unlink()
    run("make-federation", federation, AGENCY)
    assert (home(federation, AGENCY) / "tls.key").read_bytes() == key
    verify(federation, home(federation, AGENCY) / "tls.pem", CZ)


@pytest.mark.parametrize("kind", KINDS)
def test_revoke(federation, kind):
    path = home(federation, AGENCY) / f"{kind}.pem"
    run("revoke", "--reason", "keyCompromise", federation, AGENCY, kind)
    assert "revoked" in verify(federation, path, CZ, ok=False)
    crl = x509.load_pem_x509_crl((federation / "trust" / CZ / "crl.pem").read_bytes())
    number = crl.extensions.get_extension_for_oid(ExtensionOID.CRL_NUMBER).value.crl_number
    revoked = crl.get_revoked_certificate_by_serial_number(certificate(path).serial_number)
    reason = revoked.extensions.get_extension_for_oid(x509.CRLEntryExtensionOID.CRL_REASON)
    assert reason.value.reason == x509.ReasonFlags.key_compromise
    other = "seal" if kind == "tls" else "tls"
    verify(federation, path.with_name(f"{other}.pem"), CZ)
    # Again: no error, and a newer list.
    run("revoke", federation, AGENCY, kind)
    crl = x509.load_pem_x509_crl((federation / "trust" / CZ / "crl.pem").read_bytes())
    assert len(crl) == 1
    assert crl.extensions.get_extension_for_oid(ExtensionOID.CRL_NUMBER).value.crl_number > number


def test_revoke_refuses_what_it_is_not(federation):
    seal = home(federation, AGENCY) / "seal.pem"
    assert "is not the tls certificate" in run(
        "revoke", "--certificate", seal, federation, AGENCY, "tls", ok=False).stderr
    assert "not issued by the CA" in run(
        "revoke", "--certificate", seal, federation, OTHER, "seal", ok=False).stderr
    assert "no such certificate" in run(
        "revoke", federation, f"{CZ}/nobody", "tls", ok=False).stderr
    run("revoke", federation, AGENCY, "both", ok=False)
    run("revoke", "--reason", "because", federation, AGENCY, "tls", ok=False)


def test_an_agency_makes_its_own_keys(federation, tmp_path):
    name = f"{CZ}/regional.office"
    own = tmp_path / "own"
    said = run("make-request", own, name).stdout.splitlines()
    keys = snapshot(own)
    assert run("make-request", own, name).stdout.splitlines() == said
    assert snapshot(own) == keys
    assert said[0] == f"spiffe://{name}"
    for line, kind in zip(said[1:], KINDS):
        request = x509.load_pem_x509_csr((own / f"{kind}.csr").read_bytes())
        der = request.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        digest = hashlib.sha256(der).hexdigest()
        grouped = " ".join(digest[i:i + 4] for i in range(0, 64, 4))
        assert line.split(maxsplit=1) == [kind, grouped]
        pem = own / f"{kind}.pem"
        pem.write_text(run("sign-request", federation, name, kind, own / f"{kind}.csr").stdout)
        verify(federation, pem, CZ)
        for suffix in ("key", "csr", "pem"):
            assert run("fingerprint", own / f"{kind}.{suffix}").stdout == grouped + "\n"
    assert run("make-request", own, f"spiffe://{name}").stdout.splitlines() == said


def test_what_was_signed_by_request_is_revoked_by_name(federation, tmp_path):
    """As certs/README.md says it: the CA has no folder of the agency. The newest one is meant."""
    name = f"{CZ}/regional.office"
    run("make-request", tmp_path, name)
    pems = [tmp_path / "old.pem", tmp_path / "new.pem"]
    for pem in pems:
        pem.write_text(run("sign-request", federation, name, "tls", tmp_path / "tls.csr").stdout)
    run("revoke", federation, name, "tls")
    verify(federation, pems[0], CZ)
    assert "revoked" in verify(federation, pems[1], CZ, ok=False)
    assert "no such certificate" in run("revoke", federation, name, "seal", ok=False).stderr
    run("revoke", "--certificate", pems[0], federation, name, "tls")
    assert "revoked" in verify(federation, pems[0], CZ, ok=False)


def test_only_the_key_of_a_request_counts(federation, tmp_path):
    """A request asking to be a CA, under another name, gets the profile and the name said."""
    key = home(federation, AGENCY) / "tls.key"
    request = tmp_path / "greedy.csr"
    openssl("req", "-new", "-key", key, "-out", request, "-subj", "/CN=boss",
            "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", f"subjectAltName=URI:spiffe://{CZ}/boss,DNS:boss.example")
    pem = tmp_path / "tls.pem"
    pem.write_text(run("sign-request", federation, AGENCY, "tls", request).stdout)
    cert = certificate(pem)
    names = extension(cert, ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    assert [n.value for n in names] == [f"spiffe://{AGENCY}"]
    assert not extension(cert, ExtensionOID.BASIC_CONSTRAINTS).value.ca
    assert "boss" not in cert.subject.rfc4514_string()


def test_wrong_requests_are_refused(federation, tmp_path):
    agency = home(federation, AGENCY)
    for kind, file, text in (
            ("tls", agency / "seal.csr", "P-256"),
            ("seal", agency / "tls.csr", "Ed25519"),
            ("tls", agency / "tls.pem", "no certificate request"),
            ("tls", tmp_path / "none.csr", "cannot read")):
        done = run("sign-request", federation, AGENCY, kind, file, ok=False)
        assert text in done.stderr and done.stdout == ""
    key = tmp_path / "p384.key"
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", key)
    openssl("req", "-new", "-key", key, "-subj", "/CN=x", "-out", tmp_path / "p384.csr")
    done = run("sign-request", federation, AGENCY, "tls", tmp_path / "p384.csr", ok=False)
    assert "P-256" in done.stderr
    done = run("sign-request", federation, "nowhere.example/a", "tls", agency / "tls.csr", ok=False)
    assert "no CA for nowhere.example" in done.stderr


def test_times_that_tests_need(federation, tmp_path):
    old = tmp_path / "old.pem"
    old.write_text(run("sign-request", "--not-before", "20200228000000Z", "--days", 2, federation,
                       AGENCY, "tls", home(federation, AGENCY) / "tls.csr").stdout)
    assert certificate(old).not_valid_before == datetime.datetime(2020, 2, 28)
    assert certificate(old).not_valid_after == datetime.datetime(2020, 3, 1)
    assert "expired" in verify(federation, old, CZ, ok=False)
    run("make-crl", "--not-before", "20200101000000Z", "--crl-days", 3, federation, CZ)
    assert "CRL has expired" in verify(
        federation, home(federation, AGENCY) / "tls.pem", CZ, ok=False)


@pytest.mark.parametrize("name, text", (
    ("", "no <trust domain>/<agency>"),
    ("agency", "no <trust domain>/<agency>"),
    ("spiffe://a.example", "no <trust domain>/<agency>"),
    ("spiffe://spiffe://a.example/b", "one '/' only"),
    ("a.example/b/c", "one '/' only"),
    ("../b", "empty"),
    ("a..b/c", "empty"),
    ("A.example/b", "only a-z"),
    ("a_b.example/c", "only a-z"),
    ("a.example:x@b.example/c", "only a-z"),
    ("a.example/", "agency is empty"),
    ("/b", "trust domain is empty"),
    ("-a/b", "begins or ends with '-'"),
    ("a.b-/b", "begins or ends with '-'"),
    (f"a.{'b' * 64}/c", "longer than 63"),
    ("a.example/..", "may not be"),
    ("a.example/b c", "only A-Z"),
    ("a.example/b,DNS:x", "only A-Z"),
    ("a.example/é", "only A-Z"),
    ("a.example/" + "b" * 65, "longer than 64"),
    ("a" * 254 + "/b", "longer than 253")))
def test_wrong_names_make_nothing(tmp_path, name, text):
    folder = tmp_path / "x"
    # The good name beside it is not made either.
    done = run("make-federation", folder, "good.example/a", name, ok=False)
    assert text in done.stderr
    assert not folder.exists()


@pytest.mark.parametrize("words", (
    (), ("x",), ("--days", "0", "x", "a.example/b"), ("--days", "-3", "x", "a.example/b"),
    ("--days", "ten", "x", "a.example/b"), ("--days",), ("--what", "x", "a.example/b"),
    ("--not-before", "20201301000000Z", "x", "a.example/b"),
    ("--not-before", "tomorrow", "x", "a.example/b")))
def test_wrong_words_are_said(tmp_path, words):
    done = subprocess.run([str(CERTS / "make-federation"), *words], cwd=tmp_path,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and done.stderr.startswith("certs/make-federation: ")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("command", (
    "make-federation", "make-ca", "make-request", "sign-request", "revoke", "make-crl", "fingerprint"))
def test_help(command):
    said = run(command, "--help").stdout
    assert said.startswith(f"certs/{command} ") and "set -eu" not in said


def test_longest_names(tmp_path):
    name = ".".join(["a" * 62] * 4) + "/" + "b" * 64
    run("make-federation", tmp_path, name)
    verify(tmp_path, home(tmp_path, name) / "tls.pem", name.split("/")[0])
