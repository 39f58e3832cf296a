"""keytool: the keys that it makes work elsewhere, and nothing is ever overwritten or half-written."""

import hashlib
import json
import shutil
import stat

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

import telehaul


def keytool(*arguments, **more):
    return telehaul.run("keytool", *arguments, **more)


def fingerprint_of(public_key):
    return hashlib.sha256(public_key.public_bytes(serialization.Encoding.DER,
                                                  serialization.PublicFormat.SubjectPublicKeyInfo)).hexdigest()


@pytest.fixture(scope="module")
def public_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("public")
    files = []
    for number in range(5):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
        path = folder / f"{number}.pem"
        path.write_bytes(key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
        files.append((path, fingerprint_of(key)))
    return files


def trusted(key_file):
    return [key["fingerprint"] for key in json.loads(keytool("trust", "list", key_file, "--json").stdout)["keys"]]


def test_a_pair_that_others_can_use(tmp_path):
    private_file, public_file = tmp_path / "private.pem", tmp_path / "public.pem"
    made = json.loads(keytool("generate", "--private", private_file, "--public", public_file, "--json").stdout)
    assert made["bits"] == 3072
    assert stat.S_IMODE(private_file.stat().st_mode) == 0o600
    private = serialization.load_pem_private_key(private_file.read_bytes(), password=None)
    public = serialization.load_pem_public_key(public_file.read_bytes())
    assert private.key_size == 3072 and public.public_numbers().e == 65537
    assert made["fingerprint"] == fingerprint_of(public) == fingerprint_of(private.public_key())
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
    public.verify(private.sign(b"words", pss, hashes.SHA256()), b"words", pss, hashes.SHA256())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["private.pem", "public.pem"]
    for file in (private_file, public_file):
        assert made["fingerprint"] in keytool("fingerprint", file).stdout


@pytest.mark.parametrize("there", ["private.pem", "public.pem"])
def test_nothing_is_overwritten(tmp_path, there):
    (tmp_path / there).write_text("mine")
    done = keytool("generate", "--private", tmp_path / "private.pem", "--public", tmp_path / "public.pem", check=1)
    assert there in done.stderr
    assert (tmp_path / there).read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == [there]


def test_half_a_pair_is_not_left_behind(tmp_path):
    keytool("generate", "--private", tmp_path / "no-such-folder" / "private.pem", "--public", tmp_path / "public.pem", check=1)
    assert list(tmp_path.iterdir()) == []


def test_other_sizes(tmp_path):
    keytool("generate", "--private", tmp_path / "a", "--public", tmp_path / "b", "--bits", "2048")
    assert "2048 bits" in keytool("fingerprint", tmp_path / "b").stdout
    for bits in ("1024", "2050", "9000", "many"):
        keytool("generate", "--private", tmp_path / "c", "--public", tmp_path / "d", "--bits", bits, check=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_trust_is_added_and_removed(tmp_path, public_files):
    key_file = tmp_path / "trusted.pem"
    for number, (path, _) in enumerate(public_files[:4]):
        keytool("trust", "add", key_file, path)
        assert trusted(key_file) == [name for _, name in public_files[:number + 1]]
    assert "4 keys" in keytool("trust", "add", key_file, public_files[4][0], check=1).stderr
    assert "already trusts" in keytool("trust", "add", key_file, public_files[0][0], check=1).stderr
    keytool("trust", "remove", key_file, public_files[1][1])
    keytool("trust", "remove", key_file, public_files[0][1][:8].upper())
    assert trusted(key_file) == [name for _, name in public_files[2:4]]
    keytool("trust", "remove", key_file, "00" * 32, check=1)
    keytool("trust", "remove", key_file, public_files[2][1][:7], check=2)
    keytool("trust", "remove", key_file, public_files[2][1])
    keytool("trust", "remove", key_file, public_files[3][1], check=4)
    assert trusted(key_file) == [public_files[3][1]]
    assert [path.name for path in tmp_path.iterdir()] == ["trusted.pem"]


def test_a_private_key_is_never_trusted_or_shown(tmp_path, keys):
    key_file = tmp_path / "trusted.pem"
    done = keytool("trust", "add", key_file, keys.private_file, check=5)
    assert "private key" in done.stderr and not key_file.exists()
    shutil.copy(keys.private_file, tmp_path / "open.pem")
    (tmp_path / "open.pem").chmod(0o640)
    assert "chmod 600" in keytool("fingerprint", tmp_path / "open.pem", check=4).stderr
    assert "BEGIN" not in keytool("fingerprint", keys.private_file).stdout


@pytest.mark.parametrize("content", ["", "words\n", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
                                     "-----BEGIN PUBLIC KEY-----\n"])
def test_what_is_no_key_file(tmp_path, content, public_files):
    path = tmp_path / "keys.pem"
    path.write_text(content)
    keytool("fingerprint", path, check=5)
    keytool("trust", "list", path, check=5)
    keytool("trust", "add", path, public_files[0][0], check=5)
    assert path.read_text() == content


@pytest.mark.parametrize("arguments", [
    [], ["words"], ["trust"], ["trust", "words", "a"], ["trust", "list"], ["trust", "list", "a", "b"], ["fingerprint"],
    ["generate"], ["generate", "--private", "a"], ["generate", "--private", "a", "--public", "a"],
    ["fingerprint", "a", "--bits", "2048"], ["--no-such-option"]])
def test_wrong_usage(tmp_path, arguments):
    done = keytool(*arguments, cwd=tmp_path, check=2)
    assert done.stdout == "" and done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file(tmp_path):
    keytool("fingerprint", tmp_path / "none.pem", check=1)
    keytool("trust", "list", tmp_path / "none.pem", check=1)
