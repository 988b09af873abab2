"""log_driver and log_driver_opt: who keeps what a container writes, where, and how much of it."""

import re
from dataclasses import dataclass
from pathlib import Path

from podlink.engine.containers.request import CreateRequest
from podlink.engine.errors import InvalidRequest, NotHonoured
from podlink.engine.streams import journal
from podlink.engine.streams.log import DRIVERS, FILES, JOURNAL

OPTIONS = {**dict.fromkeys(FILES, ("max-size", "max-file", "path")), JOURNAL: ("tag",), "none": ()}
"""What may be said of each driver's log."""
TAG_MAX = 1024
"""Characters of a tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logging:
    """As ContainerConfig has them."""

    log_driver: str = DRIVERS[0]
    log_limit: int = 0
    log_files: int = 2
    log_path: str = ""
    log_tag: str = ""


def settle_logging(request: CreateRequest) -> Logging:
    """Raises NotHonoured for a driver or an option that is not known or not of this host, InvalidRequest for a value."""
    driver = request.log_driver or DRIVERS[0]
    if driver not in DRIVERS:
        raise NotHonoured("log_driver", f"{driver!r} is none of {', '.join(DRIVERS)}")
    if driver == JOURNAL and not journal.is_there(journal.SOCKET):
        raise NotHonoured(
            "log_driver",
            f"journald was asked for, and no journal listens at {journal.SOCKET}; start systemd-journald, or choose {DRIVERS[0]}",
        )
    options = _options(driver, request)
    if "max-file" in options and "max-size" not in options:
        raise InvalidRequest("log_driver_opt: max-file counts the files that max-size makes; say max-size, too")
    return Logging(
        log_driver=driver,
        log_limit=_size(options["max-size"]) if "max-size" in options else 0,
        log_files=_count(options["max-file"]) if "max-file" in options else 2,
        log_path=_path(options["path"]) if "path" in options else "",
        log_tag=_tag(options["tag"]) if "tag" in options else "",
    )


def _options(driver: str, request: CreateRequest) -> dict[str, str]:
    """By name; of one that is said twice the last."""
    found = {}
    for option in request.log_driver_opt:
        name, _, value = option.partition("=")
        if name not in OPTIONS[driver]:
            known = f"known are {', '.join(OPTIONS[driver])}" if OPTIONS[driver] else "there are none"
            raise NotHonoured("log_driver_opt", f"{name!r} is no option of a log by {driver}; {known}")
        found[name] = value
    return found


def _size(value: str) -> int:
    """Bytes of `10m`: a number, alone or with k, m or g."""
    found = re.fullmatch(r"([1-9][0-9]{0,15})([kmg]?)b?", value.lower())
    if not found:
        raise InvalidRequest(f"log_driver_opt: {'max-size=' + value!r} is not of the form max-size=10m")
    return int(found[1]) << 10 * " kmg".index(found[2] or " ")


def _count(value: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,3}", value) or int(value) < 2:
        raise InvalidRequest(f"log_driver_opt: {'max-file=' + value!r} is not a number from 2: the log, and the one before it")
    return int(value)


def _path(value: str) -> str:
    if not value.startswith("/") or "\0" in value or not Path(value).parent.is_dir() or _is_no_file(Path(value)):
        raise InvalidRequest(f"log_driver_opt: {'path=' + value!r} is to be an absolute path of a file in a folder that is there")
    return value


def _is_no_file(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _tag(value: str) -> str:
    if "{{" in value:
        raise NotHonoured("log_driver_opt", f"{'tag=' + value!r} is a template, which is not known here; say the text itself")
    if not value or not value.isprintable() or len(value) > TAG_MAX:
        raise InvalidRequest(f"log_driver_opt: {'tag=' + value!r} is to be at most {TAG_MAX} printable characters")
    return value
