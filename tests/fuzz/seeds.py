"""Where the fuzzer begins: a few whole examples of each kind, and words that a random change would take long to find."""

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Iterable, Iterator

import zstandard

DIGEST = "sha256:" + "9f86d081884c7d65" * 4
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def references() -> Iterable[bytes]:
    names = "a alpine alpine:3.18 library/alpine docker.io/library/alpine:latest index.docker.io/a/b localhost/a:t".split()
    names += [
        "127.0.0.1:5000/a/b:t",
        "[::1]:5000/a",
        f"a@{DIGEST}",
        f"r.io/a/b:t@{DIGEST}",
        "a__b/c-d.e",
        "A",
        "",
        "9f86d081" * 8,
    ]
    return [name.encode() for name in names]


def manifests() -> Iterable[bytes]:
    descriptor = f'{{"mediaType":"{LAYER}","digest":"{DIGEST}","size":512,"urls":["https://a"]}}'
    yield f'{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{descriptor},"layers":[{descriptor}]}}'.encode()
    yield f'{{"schemaVersion":2,"config":{descriptor},"layers":null,"annotations":{{"a":"b"}}}}'.encode()
    yield b'{"schemaVersion":1}'
    yield b"[]"


def configurations() -> Iterable[bytes]:
    yield f'{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{DIGEST}"]}}}}'.encode()
    execution = '{"User":"u","Env":["A=B"],"Entrypoint":["/e"],"Cmd":["c"],"Volumes":{"/v":{}},"ExposedPorts":{"80/tcp":{}}}'
    execution = execution[:-1] + ',"WorkingDir":"/w","Labels":{"k":"v"},"StopSignal":"SIGTERM"}'
    history = '[{"created":"2026-11-23T08:53:52.5Z","created_by":"x","author":"a","comment":"c","empty_layer":true}]'
    parts = f'"created":"2026-11-23T08:53:52.567919676+01:00","author":"me","config":{execution},"history":{history}'
    yield f'{{"architecture":"arm64","os":"linux","rootfs":{{"type":"layers","diff_ids":[]}},{parts}}}'.encode()


def archives() -> Iterator[bytes]:
    for form, number in ((tarfile.USTAR_FORMAT, 5), (tarfile.GNU_FORMAT, 2**31), (tarfile.PAX_FORMAT, 2**31)):
        yield tar(form, *everything("d" * 60 + "/" + "n" * 90, "t" * 100 if number == 5 else "t" * 120))
        yield tar(form, member("f", size=3, uid=number, mtime=2))
    yield tar(tarfile.PAX_FORMAT, member("x", pax={"SCHILY.xattr.user.note": "hello", "mtime": "-1.5", "uid": "70000"}))
    yield tar(tarfile.PAX_FORMAT, member("s", pax={"GNU.sparse.map": "0,1,4,2", "GNU.sparse.size": "9"}, size=3))
    one = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "600", "GNU.sparse.name": "real"}
    yield tar(tarfile.PAX_FORMAT, member("s", pax=one, size=515), data=b"1\n500\n3\n".ljust(512, b"\0") + b"abc")
    yield tar(tarfile.PAX_FORMAT, member("s", pax={"GNU.sparse.offset": "0", "GNU.sparse.numbytes": "3", "GNU.sparse.size": "3"}))
    yield old_sparse()
    yield global_header()


def everything(*names: str) -> list[tarfile.TarInfo]:
    """A member of each kind, long names, and whiteouts."""
    kinds = (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
    some = [member(f"k{number}", kind, linkname="./f") for number, kind in enumerate(kinds)]
    marks = [member("d/.wh.f"), member("d/.wh..wh..opq")]
    return [
        member("./f", size=5),
        *some,
        *(member(name) for name in names),
        member("l", tarfile.SYMTYPE, linkname=names[-1]),
        *marks,
    ]


def member(name: str, kind: bytes = tarfile.REGTYPE, pax: dict[str, str] | None = None, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.pax_headers = kind, pax or {}
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def tar(form: int, *members: tarfile.TarInfo, data: bytes = b"abcde") -> bytes:
    """Without the zeros that fill the last record: a seed is better short."""
    text = bytearray()
    for info in members:
        text += info.tobuf(form) + (data[: info.size].ljust(-(-info.size // 512) * 512, b"\0") if info.isreg() else b"")
    return bytes(text) + bytes(1024)


def old_sparse() -> bytes:
    """GNU tar's own form: offsets and lengths in the header, and a flag that a block of more follows."""
    block = bytearray(tarfile.TarInfo("hole").tobuf(tarfile.GNU_FORMAT))
    block[124:136], block[156:157] = b"%011o\0" % 3, b"S"
    block[386:410], block[482:483], block[483:495] = b"%011o\0%011o\0" % (512, 3), b"\1", b"%011o\0" % 600
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + bytes(512) + b"abc".ljust(512, b"\0") + bytes(1024)


def global_header() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"uid": "5", "comment": "c"}) as archive:
        archive.addfile(tarfile.TarInfo("a"))
    return buffer.getvalue()[: 512 * 5]


def streams() -> Iterable[bytes]:
    plain = tar(tarfile.USTAR_FORMAT, member("f"))
    packed = [gzip.compress(plain, mtime=0), bz2.compress(plain), lzma.compress(plain), zstandard.compress(plain)]
    return [plain, b"", b"\x1f", *packed, *(each + each for each in packed), *(each[:-5] for each in packed)]


JSON = [b"null", b"true", b"-1", b"1e999", b"[]", b"{}", b'""', b",", b":", b'"\\ud800"', b"\xff", b"9" * 30, b"[" * 50]
NAMES = b"/ : @ . __ - [ ] latest docker.io localhost index.docker.io library sha256: 5000 \xc3\xa9 A".split()
FIELDS = [b'"size":', b'"urls":', b'"layers":', b'"config":', b'"annotations":', b'"mediaType":', b'"Env":', b'"created":']
RECORDS = [b"11 path=ab\n", b"13 size=1000\n", b"22 GNU.sparse.major=1\n", b"8 mtime=\n", b"23 SCHILY.xattr.user.a=\n"]
NUMBERS = [b"\0", b"\x80", b"\xff" * 12, b"7777777\0", bytes(512)]
TOKENS: dict[str, list[bytes]] = {
    "references": [*NAMES, DIGEST.encode(), b"0" * 64, b"a" * 256],
    "manifests": [*JSON, *FIELDS, DIGEST.encode()],
    "configurations": [*JSON, *FIELDS, b'"history":', b'"Volumes":', b'"0001-01-01T00:00:00Z"', b'"9999-12-31T'],
    "archives": [*RECORDS, *NUMBERS, b"ustar\0" + b"00", b"ustar  \0", b"../", b"/", *(bytes([kind]) for kind in b"xgLKSV127")],
    "streams": [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"BZh9", b"\xfd7zXZ\0", b"\0" * 8, b"\xff" * 8],
}
"""What a random change puts in."""
SEEDS: dict[str, Callable[[], Iterable[bytes]]] = {
    "references": references,
    "manifests": manifests,
    "configurations": configurations,
    "archives": archives,
    "streams": streams,
}
