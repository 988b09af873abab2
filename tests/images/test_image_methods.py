"""The methods of the interface that speak of images: what is in their replies, to the letter."""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from shelf import Tarball

from podlink.api.podman.images import HANDLERS
from podlink.api.varlink.service import Call
from podlink.engine.app import Engine
from podlink.engine.cancel import NEVER
from podlink.engine.errors import ImageInUse, ImageNotFound


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine.emulated() as engine:
        yield engine


def call(engine: Engine, method: str, **arguments: Any) -> Any:
    """The reply's one parameter. No handler of an image method looks at the call itself."""
    reply = HANDLERS[method](engine.host, Call(method, False, False, NEVER), arguments)
    (value,) = reply.values()
    return value


def imported(engine: Engine, tarball: Tarball, reference: str = "alpine:latest") -> str:
    changes = ["CMD=/bin/sh", "LABEL=a=b"]
    id = call(engine, "ImportImage", source=str(tarball()), reference=reference, message="hello", changes=changes)
    assert isinstance(id, str)
    return id


def test_a_listed_image_has_every_field_of_the_interface(engine: Engine, tarball: Tarball) -> None:
    assert call(engine, "ListImages") == []
    image = imported(engine, tarball)
    (listed,) = call(engine, "ListImages")
    digest = json.loads(call(engine, "InspectImage", name=image))["Digest"]
    created = listed.pop("created")
    assert created.endswith(" +0000 UTC")
    assert listed == {
        "id": image,
        "parentId": "",
        "repoTags": ["docker.io/library/alpine:latest"],
        "repoDigests": [f"docker.io/library/alpine@{digest}"],
        "size": 6,
        "virtualSize": 6,
        "containers": 0,
        "labels": {"a": "b"},
    }


def test_the_history_has_every_field_of_the_interface(engine: Engine, tarball: Tarball) -> None:
    image = imported(engine, tarball)
    (record,) = call(engine, "HistoryImage", name="alpine")
    assert record.pop("created").endswith(" +0000 UTC")
    assert record.pop("createdBy").startswith("/bin/sh -c #(nop) ADD file:")
    assert record == {"id": image, "tags": ["docker.io/library/alpine:latest"], "size": 6, "comment": "hello"}


def test_a_file_that_the_layer_replaces_is_in_no_size(engine: Engine, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "twice.tar", "w") as tar:
        for size in (300_000, 1):
            entry = tarfile.TarInfo("a")
            entry.size = size
            tar.addfile(entry, io.BytesIO(bytes(size)))
    call(engine, "ImportImage", source=str(tmp_path / "twice.tar"), reference="twice", message="", changes=[])
    (listed,), (record,) = call(engine, "ListImages"), call(engine, "HistoryImage", name="twice")
    inspected = json.loads(call(engine, "InspectImage", name="twice"))
    assert {listed["size"], listed["virtualSize"], record["size"], inspected["Size"], inspected["VirtualSize"]} == {1}


def test_inspect_is_compact_json(engine: Engine, tarball: Tarball) -> None:
    image = imported(engine, tarball)
    text = call(engine, "InspectImage", name="alpine")
    assert json.loads(text)["Id"] == image
    assert text == json.dumps(json.loads(text), separators=(",", ":"))


def test_tagging_and_removing_answer_the_id(engine: Engine, tarball: Tarball) -> None:
    image = imported(engine, tarball)
    assert call(engine, "TagImage", name="alpine", tagged="alpine:fubar") == image
    assert call(engine, "RemoveImage", name="alpine:fubar", force=False) == image
    assert call(engine, "RemoveImage", name="alpine", force=False) == image
    with pytest.raises(ImageNotFound):
        call(engine, "RemoveImage", name="alpine", force=False)


def test_an_image_in_use_goes_with_its_containers_by_force_only(engine: Engine, tarball: Tarball) -> None:
    image = imported(engine, tarball)
    engine.containers.create(image=image, name="web")
    with pytest.raises(ImageInUse) as caught:
        call(engine, "RemoveImage", name="alpine", force=False)
    assert "1 container: web" in caught.value.reason
    assert call(engine, "ListImages")[0]["containers"] == 1
    assert call(engine, "RemoveImage", name="alpine", force=True) == image
    assert call(engine, "ListImages") == []
    assert engine.containers.list() == []


def test_unused_images_are_deleted_and_told(engine: Engine, tarball: Tarball) -> None:
    used, unused = imported(engine, tarball, "used"), imported(engine, tarball, "")
    engine.containers.create(image="used")
    assert call(engine, "DeleteUnusedImages") == [unused]
    assert [image["id"] for image in call(engine, "ListImages")] == [used]
