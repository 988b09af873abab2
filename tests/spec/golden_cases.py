"""The cases of fixtures/spec: three values in, one document out. After a change that is meant, write the documents anew:

PYTHONPATH=/where/podlink/is python tests/spec/golden_cases.py && git diff fixtures/spec
"""

import json
import re
from pathlib import Path
from typing import Any

from podlink.engine.oci.spec.build import build
from podlink.engine.oci.spec.values import ContainerConfig, Device, HostFacts, Placement, Resources, User

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "spec"


def cases() -> list[str]:
    """Their names: the folders of fixtures/spec."""
    return sorted(folder.name for folder in FIXTURES.iterdir() if folder.is_dir())


def recorded(case: str) -> dict[str, Any]:
    """The document as it was agreed upon."""
    document: dict[str, Any] = _load(case, "spec")
    return document


def built(case: str) -> dict[str, Any]:
    """The document as it is built now."""
    return build(config(_load(case, "config")), placement(_load(case, "placement")), host(_load(case, "host")))


def config(values: dict[str, Any]) -> ContainerConfig:
    resources = Resources(**values.pop("resources", {}))
    return ContainerConfig(resources=resources, **_tuples(values))


def placement(values: dict[str, Any]) -> Placement:
    user = User(**_tuples(values.pop("user", {})))
    return Placement(rootfs=Path(values.pop("rootfs")), user=user, **values)


def host(values: dict[str, Any]) -> HostFacts:
    devices = tuple(Device(**device) for device in values.pop("devices", ()))
    return HostFacts(capabilities=frozenset(values.pop("capabilities")), devices=devices, **values)


def _load(case: str, part: str) -> Any:
    return json.loads((FIXTURES / case / f"{part}.json").read_text())


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _written(document: dict[str, Any]) -> str:
    """As JSON with each list of plain values on one line, so that a difference is short to read."""
    text = json.dumps(document, indent=1)
    return re.sub(r"\[\s+([^][{}]+?)\s+\]", lambda found: "[" + " ".join(found[1].split()) + "]", text) + "\n"


if __name__ == "__main__":
    for name in cases():
        (FIXTURES / name / "spec.json").write_text(_written(built(name)))
