"""RemoveImage, DeleteUnusedImages, and the garbage that a crash leaves."""

import logging
import threading
from collections.abc import Sequence

import pytest
from patience import patience
from shelf import Import, Tarball, files, on_disk, stand_on

from podlink.engine.errors import ErrorOccurred, ImageInUse, ImageNotFound, StorageFailed
from podlink.engine.host import Host
from podlink.engine.images import LOCK
from podlink.engine.images.collect import collect
from podlink.engine.images.import_ import import_image
from podlink.engine.images.list import list_images
from podlink.engine.images.lookup import find_image
from podlink.engine.images.remove import ATTEMPTS, delete_unused, remove_image
from podlink.engine.images.tag import tag_image
from podlink.engine.oci.digest import Digest


def test_the_last_name_takes_image_layer_and_blob_with_it(host: Host, imported: Import) -> None:
    image = imported("alpine")
    assert remove_image(host, "alpine") == image
    assert list_images(host) == []
    assert on_disk(host) == (set(), set())


def test_one_of_several_names_goes_and_the_image_stays(host: Host, imported: Import) -> None:
    image = imported("alpine")
    tag_image(host, "alpine", "alpine:fubar")
    assert remove_image(host, "alpine:fubar") == image
    assert find_image(host, image).names == ("docker.io/library/alpine:latest",)
    assert on_disk(host) != (set(), set())


def test_a_name_goes_even_while_containers_stand_on_the_image(host: Host, imported: Import) -> None:
    image = imported("alpine")
    tag_image(host, "alpine", "alpine:fubar")
    stand_on(host, image, "web")
    assert remove_image(host, "alpine") == image
    assert find_image(host, image).names == ("alpine:fubar",)


@pytest.mark.parametrize("form", ["{id}", "{id:.12}", "alpine@{digest}"])
def test_by_id_or_digest_an_image_of_several_names_goes_only_by_force(host: Host, imported: Import, form: str) -> None:
    image = imported("alpine")
    tag_image(host, "alpine", "alpine:fubar")
    name = form.format(id=image, digest=find_image(host, image).digest)
    with pytest.raises(ErrorOccurred) as caught:
        remove_image(host, name)
    assert "docker.io/library/alpine:latest, alpine:fubar" in caught.value.reason
    assert remove_image(host, name, force=True) == image
    assert list_images(host) == []


def test_an_image_without_a_name_goes_by_its_id(host: Host, imported: Import) -> None:
    image = imported("")
    assert remove_image(host, image[:12]) == image
    assert list_images(host) == []


def test_an_unknown_image_is_not_found_and_named(host: Host) -> None:
    with pytest.raises(ImageNotFound) as caught:
        remove_image(host, "bozo", force=True)
    assert caught.value.name == "bozo"


@pytest.mark.parametrize("force", [False, True])
def test_an_image_in_use_stays_and_tells_how_many_containers_need_it(host: Host, imported: Import, force: bool) -> None:
    image = imported("alpine")
    for number in range(7):
        stand_on(host, image, f"web{number}")
    before = files(host.config.root)
    with pytest.raises(ImageInUse) as caught:
        remove_image(host, "alpine", force)
    assert "7 containers: web0 (" in caught.value.reason
    assert list_images(host)[0].containers == 7
    assert files(host.config.root) == before


def test_by_force_the_containers_go_first_and_the_lock_is_free_meanwhile(host: Host, imported: Import) -> None:
    image = imported("alpine")
    containers = [stand_on(host, image, "web"), stand_on(host, image, "db")]
    removed: list[str] = []

    def remove_containers(ids: Sequence[str]) -> None:
        with host.state.locks.try_hold(LOCK) as free:
            assert free
        for each in ids:
            host.state.containers.remove(each)
            removed.append(each)

    assert remove_image(host, "alpine", force=True, remove_containers=remove_containers) == image
    assert sorted(removed) == sorted(containers)
    assert list_images(host) == []


def test_without_force_no_container_is_touched(host: Host, imported: Import) -> None:
    stand_on(host, imported("alpine"), "web")
    with pytest.raises(ImageInUse):
        remove_image(host, "alpine", force=False, remove_containers=lambda ids: pytest.fail(f"asked to remove {ids}"))


def test_containers_that_keep_coming_end_the_removal_after_some_attempts(host: Host, imported: Import) -> None:
    stand_on(host, imported("alpine"), "web")
    asked: list[Sequence[str]] = []
    with pytest.raises(ImageInUse):
        remove_image(host, "alpine", force=True, remove_containers=asked.append)
    assert len(asked) == ATTEMPTS


def test_what_another_image_shares_stays(host: Host, imported: Import) -> None:
    imported("one")
    imported("two")
    before = on_disk(host)
    remove_image(host, "one")
    assert on_disk(host) == before
    remove_image(host, "two")
    assert on_disk(host) == (set(), set())


def test_unused_images_go_tagged_or_not_and_used_ones_stay(host: Host, imported: Import) -> None:
    used, tagged, untagged = imported("used", "1"), imported("tagged", "2"), imported("", "3")
    tag_image(host, "tagged", "tagged:again")
    stand_on(host, used, "web")
    assert sorted(delete_unused(host)) == sorted([tagged, untagged])
    assert [image.id for image in list_images(host)] == [used]
    assert [len(found) for found in on_disk(host)] == [1, 1]
    assert delete_unused(host) == []


def test_garbage_is_collected_and_what_a_row_names_stays(host: Host, imported: Import, caplog: pytest.LogCaptureFixture) -> None:
    imported("kept", "1")
    kept = on_disk(host)
    imported("crashed", "2")
    host.state.images.remove(find_image(host, "crashed").id)  # and then the machine went down
    assert on_disk(host) != kept
    collect(host)
    assert on_disk(host) == kept
    collect(host)
    assert on_disk(host) == kept
    assert caplog.records == []


def test_the_root_is_bare_again_once_all_images_are_gone(host: Host, imported: Import) -> None:
    collect(host)
    before = files(host.config.root)
    imported("alpine")
    remove_image(host, "alpine")
    assert files(host.config.root) == before


def test_garbage_that_can_not_be_removed_is_told_and_fails_nothing(
    host: Host, imported: Import, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    image = imported("alpine")

    def fail(*_: object) -> None:
        raise StorageFailed("a worn-out disk")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(type(host.storage), "remove", fail)
        assert remove_image(host, "alpine") == image
        collect(host)
    assert "a worn-out disk" in caplog.text
    assert len(on_disk(host)[0]) == 1
    collect(host)
    assert on_disk(host) == (set(), set())


def test_collecting_never_takes_what_an_import_is_about_to_record(
    host: Host, tarball: Tarball, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the layer's name and the row a collector may come: it has to wait until the row is there."""
    at_the_row, go_on = threading.Event(), threading.Event()
    add = type(host.state.images).add

    def slowly(*args: object, **kwargs: object) -> None:
        at_the_row.set()
        assert go_on.wait(patience())
        add(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(type(host.state.images), "add", slowly)
    importer = threading.Thread(target=import_image, args=(host, str(tarball()), "alpine"))
    importer.start()
    assert at_the_row.wait(patience())
    collector = threading.Thread(target=collect, args=(host,))
    collector.start()
    collector.join(0.2)
    assert collector.is_alive()
    go_on.set()
    importer.join(patience())
    collector.join(patience())
    (layer,) = find_image(host, "alpine").layers
    assert on_disk(host) == ({layer.chain}, {layer.blob})
    assert host.content.has(Digest.parse(layer.blob))


def test_many_imports_and_removals_at_once_leave_whole_images_only(host: Host, tarball: Tarball) -> None:
    same = str(tarball())
    troubles: list[BaseException] = []

    def churn(name: str) -> None:
        try:
            for _ in range(5):
                import_image(host, same, name)
                remove_image(host, name)
        except BaseException as trouble:
            troubles.append(trouble)

    threads = [threading.Thread(target=churn, args=(f"image{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(patience())
    assert troubles == []
    assert list_images(host) == []
    assert on_disk(host) == (set(), set())
