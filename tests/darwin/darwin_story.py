"""What an emulated engine does on macOS, in chapters: run as a program, which becomes a Mac (`darwin`) before it imports podlink.

Prints a line of JSON: chapter by chapter an empty string, or the traceback.
"""

import darwin

darwin.become()

import io  # noqa: E402 (everything that is imported from here on finds a Mac)
import json  # noqa: E402
import os  # noqa: E402
import tarfile  # noqa: E402
import tempfile  # noqa: E402
import threading  # noqa: E402
import traceback  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from pathlib import Path  # noqa: E402

from patience import patience, until  # noqa: E402

from podlink import Engine, VirtualClock  # noqa: E402
from podlink.api.serving import serve  # noqa: E402
from podlink.api.varlink.client import Client  # noqa: E402
from podlink.api.varlink.service import VarlinkError  # noqa: E402
from podlink.engine.containers.attach import attach_sockets  # noqa: E402
from podlink.engine.errors import EngineUnavailable, InvalidArchive, NotHonoured  # noqa: E402
from podlink.engine.handles import Container  # noqa: E402
from podlink.engine.runtime.emulator.process import Process  # noqa: E402

PODMAN = "io.projectatomic.podman"
Chapter = Callable[[Engine, Path], None]


@contextmanager
def refused(kind: type[Exception], *words: str) -> Iterator[None]:
    try:
        yield
    except kind as error:
        assert all(word in str(error) for word in words), f"{error!r} does not say {words}"
    else:
        raise AssertionError(f"it was not refused with {kind.__name__}")


def small(engine: Engine, *command: str, **fields: object) -> Container:
    image = engine.images.build_from({"/etc/motd": b"welcome"}, name="small", userland=True)
    return engine.containers.create(image=image, command=command, **fields)  # type: ignore[arg-type]


def the_engine_is_an_ordinary_users_and_tells_of_its_machine(engine: Engine, folder: Path) -> None:
    info = engine.system.info()
    assert (info.hostname, info.kernel, info.driver) == ("emulated", "6.1.0", "vfs") and info.memory_total > 0
    assert engine.system.version().os_arch == "darwin/arm64"
    assert engine.host.storage.usage(small(engine, "true").id) == 0
    with refused(EngineUnavailable, "need Linux", "the emulator"):
        Engine.open()


def a_container_lives(engine: Engine, folder: Path) -> None:
    container = small(engine, "sh", "-c", "cat /etc/motd; echo; echo $$ >/run/pid; exit 3")
    container.start()
    assert container.wait() == 3 and container.logs() == ["welcome\n"]
    container.remove()
    assert engine.containers.list() == []


def it_is_paused_listed_stopped_and_killed_by_linuxs_numbers(engine: Engine, folder: Path) -> None:
    script = "trap 'echo usr1' USR1; trap 'exit 5' TERM; echo ready; while :; do sleep 9 & wait $!; done"
    container = small(engine, "sh", "-c", script)
    lines = container.follow()
    container.start()
    assert next(lines) == ["ready\n"]
    container.pause()
    container.unpause()
    assert any("sleep" in line for line in container.processes()) and container.stats().sample.mem_usage > 0
    container.kill(10)
    assert next(lines) == ["usr1\n"]
    container.stop(300)
    assert container.wait() == 5


def stop_signals_of_images_are_linuxs(engine: Engine, folder: Path) -> None:
    for name, number in (("SIGUSR1", 10), ("RTMIN+3", 37), ("PWR", 30), ("17", 17)):
        image = engine.images.build_from({"/x": b""}, {"StopSignal": name})
        container = engine.containers.create(image=image, command=["/x"])
        assert container.inspect()["Config"]["StopSignal"] == number


def what_it_changed_is_told_committed_and_exported(engine: Engine, folder: Path) -> None:
    container = small(engine, "sh", "-c", "echo new >/srv.txt; mkdir -p /deep/er; ln -s ../srv.txt /deep/link; rm /etc/motd")
    container.start()
    assert container.wait() == 0
    changes = {each.path: each.kind.value for each in container.changes()}
    assert changes["/srv.txt"] == changes["/deep/er"] == changes["/deep/link"] == "added" and changes["/etc/motd"] == "deleted"
    again = container.commit("changed", changes=['CMD=["cat", "/deep/link"]', "STOPSIGNAL=SIGRTMIN+3"])
    assert engine.containers.run(again).logs == ["new\n"]
    with tarfile.open(container.export(str(folder / "all.tar"))) as tar:
        names = set(tar.getnames())
    assert {"srv.txt", "deep/link"} <= names and "etc/motd" not in names


def write_tar(path: Path, *members: tuple[str, bytes, bytes | str]) -> str:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, content in members:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = kind, 0o755
            entry.pax_headers = {"SCHILY.xattr.user.note": "kept where there are such"} if kind == tarfile.REGTYPE else {}
            if isinstance(content, str):
                entry.linkname = content
            entry.size = len(content) if kind == tarfile.REGTYPE else 0
            tar.addfile(entry, None if isinstance(content, str) else io.BytesIO(content))
    return str(path)


def a_layer_stays_in_its_place(engine: Engine, folder: Path) -> None:
    (folder / "outside").mkdir()
    kinds = (
        ("bin/tool", tarfile.REGTYPE, b"tool"),
        ("bin/second", tarfile.LNKTYPE, "bin/tool"),
        ("pipe", tarfile.FIFOTYPE, ""),
        ("null", tarfile.CHRTYPE, ""),
        ("up", tarfile.SYMTYPE, "../../../../../../.."),
        ("up/gone/through", tarfile.REGTYPE, b"inside"),
        ("way", tarfile.SYMTYPE, "/bin/./../bin"),
        ("way/third", tarfile.REGTYPE, b"third"),
        ("out", tarfile.SYMTYPE, str(folder / "outside")),
        ("out/escaped", tarfile.REGTYPE, b"kept in"),
    )
    image = engine.images.import_image(write_tar(folder / "layer.tar", *kinds), "layer")
    assert list((folder / "outside").iterdir()) == []
    container = engine.containers.create(image=image, command=["/bin/tool"])
    read = engine.host.storage.read
    inside = {"/gone/through": b"inside", "/bin/third": b"third", "/way/second": b"tool", "/up/bin/tool": b"tool"}
    assert {path: read(container.id, path, 100) for path in inside} == inside
    assert read(container.id, "/pipe", 100) is None and read(container.id, "/null", 100) is None
    loop = (("loop", tarfile.SYMTYPE, "loop"), ("loop/x", tarfile.REGTYPE, b""), ("odd", tarfile.LNKTYPE, "nowhere"))
    with refused(InvalidArchive, "odd", "which the layer lacks"):
        engine.images.import_image(write_tar(folder / "odd.tar", *loop), "odd")


def an_image_goes_out_and_comes_back(engine: Engine, folder: Path) -> None:
    first = small(engine, "sh", "-c", "mkfifo /p 2>/dev/null; rm /etc/motd; echo 2 >/etc/two").id
    container = engine.containers.get(first)
    container.start()
    container.wait()
    image = container.commit("out")
    for place in (f"oci:{folder}/layout:1", f"docker-archive:{folder}/image.tar", f"dir:{folder}/dir"):
        engine.images.push("out", place)
        with Engine.emulated() as other:
            assert other.images.pull(place) == image
            done = other.containers.run(image, ["sh", "-c", "cat /etc/two; test -e /etc/motd || echo gone"])
            assert done.logs == ["2\n", "gone\n"]


def volumes_are_filled_and_shared(engine: Engine, folder: Path) -> None:
    image = engine.images.build_from({"/data/seed": b"grown"}, {"Volumes": {"/data": {}}}, userland=True)
    shared = folder / "shared"
    shared.mkdir()
    done = engine.containers.run(image, ["sh", "-c", "cat /data/seed; echo; echo hi >/mnt/f"], volumes=[f"{shared}:/mnt"])
    assert done.logs == ["grown\n"] and (shared / "f").read_text() == "hi\n"


def python_attaches_to_a_terminal(engine: Engine, folder: Path) -> None:
    container = small(engine, "sh", "-c", "stty size; read name; echo hello $name", tty=True, interactive=True)
    with container.attach() as terminal:
        terminal.resize(24, 80)
        container.start()
        terminal.send(b"mac\n")
        text = b""
        while piece := terminal.receive(patience()):
            text += piece[1]
    assert b"24 80" in text and b"hello mac" in text and container.wait() == 0


def sockets_to_attach_at_are_refused_by_name(engine: Engine, folder: Path) -> None:
    container = small(engine, "cat", interactive=True)
    usual, tempfile.tempdir = tempfile.tempdir, str(folder)
    with refused(NotHonoured, "GetAttachSockets", "SOCK_SEQPACKET", "attach in Python"):
        attach_sockets(engine.host, container.id)
    with serve(engine) as address, Client.connect(address, patience()) as client, refused(VarlinkError, "GetAttachSockets"):
        client.call(f"{PODMAN}.GetAttachSockets", name=container.id)
    assert container.inspect()["State"]["Status"] == "configured" and engine.host.runtime.known() == []
    tempfile.tempdir = usual
    assert list(folder.rglob("attach")) == []


def a_program_in_python_runs_on_networks(engine: Engine, folder: Path) -> None:
    def server(process: Process) -> int:
        process.write(1, process.tree.host("/etc/hosts").read_text())
        stopped: list[int] = []
        process.on_signal(15, stopped.append)
        while not stopped:
            process.pause()
        return 0

    engine.programs["/bin/server"] = server
    engine.networks.create("blue", "10.91.0.0/24")
    image = engine.images.build_from({"/bin/server": b"x"}, name="server")
    container = engine.containers.create(image=image, command=["/bin/server"], network="blue", publish=["8080:80"])
    container.start()
    lease = engine.networks.inspect("blue")[1][0]
    assert lease.address.startswith("10.91.0.") and engine.networks.troubles() == []
    container.stop()
    assert any(lease.address in line for line in container.logs()) and container.wait() == 0


def time_is_the_tests_own(engine: Engine, folder: Path) -> None:
    clock = VirtualClock()
    with Engine.emulated(clock=clock, seed=1) as timed:
        container = small(timed, "sleep", "3600")
        container.start()
        clock.advance(3600)
        assert container.wait() == 0
        stubborn = small(timed, "sh", "-c", "trap '' TERM; while :; do sleep 1000; done")
        stubborn.start()
        stopping = threading.Thread(target=stubborn.stop, args=(10,))
        stopping.start()
        clock.await_caller()
        clock.advance(10)
        stopping.join(patience())
        assert stubborn.wait() == 137


def a_folder_keeps_what_it_holds_for_one_process(engine: Engine, folder: Path) -> None:
    with Engine.emulated(folder / "kept") as one:
        ran = small(one, "sleep", "60")
        ran.start()
        with refused(EngineUnavailable, f"process {os.getpid()}"):
            Engine.emulated(folder / "kept")
    with Engine.emulated(folder / "kept") as two:
        again = two.containers.get(ran.id)
        assert again.inspect()["State"]["Status"] == "exited"
        again.remove()


def the_service_answers_on_paths_and_ports(engine: Engine, folder: Path) -> None:
    small(engine, "true")
    for wanted in ("", f"unix:{folder}/s;mode=0660", "tcp:127.0.0.1:0"):
        with serve(engine, wanted) as address, Client.connect(address, patience()) as client:
            wanting = {"args": ["small", "sh", "-c", "sleep 0.2; exit 4"]}
            made = client.call(f"{PODMAN}.CreateContainer", create=wanting)["container"]
            client.call(f"{PODMAN}.StartContainer", name=made)
            assert client.call(f"{PODMAN}.WaitContainer", name=made, interval=1)["exitcode"] == 4
            assert client.call(f"{PODMAN}.GetInfo")["info"]["host"]["os"] == "linux"


def the_service_notices_who_leaves_and_ends_with_those_who_wait(engine: Engine, folder: Path) -> None:
    forever = small(engine, "sleep", "1000")
    forever.start()
    for wanted in ("", "tcp:127.0.0.1:0"):
        with serve(engine, wanted) as address:
            for _ in range(20):
                Client.connect(address).close()
            for _ in range(3):  # descriptors are given again, and nobody is taken for another
                leaving = Client.connect(address)
                leaving._send({"method": f"{PODMAN}.WaitContainer", "parameters": {"name": forever.id, "interval": 1}})
                await_waiters(engine, 1)
                leaving.close()
                await_waiters(engine, 0)
            staying = Client.connect(address, patience())
            staying._send({"method": f"{PODMAN}.WaitContainer", "parameters": {"name": forever.id, "interval": 1}})
            await_waiters(engine, 1)
        with refused(VarlinkError, "the service is ending"):
            staying._receive()


def await_waiters(engine: Engine, number: int) -> None:
    """Until so many wait for a container's end."""
    until(lambda: sum(len(room.waiters) for room in list(engine.host.waits._rooms.values())) == number, f"not {number} wait")


def names_without_a_file_are_refused(engine: Engine, folder: Path) -> None:
    with refused(ValueError, "unix:@podlink", "only Linux"), serve(engine, "unix:@podlink"):
        pass
    with refused(ValueError, "unix:@podlink", "only Linux"):
        Client.connect("unix:@podlink")
    with refused(ValueError, "103 bytes"):
        Client.connect("unix:/" + "x" * 103)


CHAPTERS: tuple[Chapter, ...] = (
    the_engine_is_an_ordinary_users_and_tells_of_its_machine,
    a_container_lives,
    it_is_paused_listed_stopped_and_killed_by_linuxs_numbers,
    stop_signals_of_images_are_linuxs,
    what_it_changed_is_told_committed_and_exported,
    a_layer_stays_in_its_place,
    an_image_goes_out_and_comes_back,
    volumes_are_filled_and_shared,
    python_attaches_to_a_terminal,
    sockets_to_attach_at_are_refused_by_name,
    a_program_in_python_runs_on_networks,
    time_is_the_tests_own,
    a_folder_keeps_what_it_holds_for_one_process,
    the_service_answers_on_paths_and_ports,
    the_service_notices_who_leaves_and_ends_with_those_who_wait,
    names_without_a_file_are_refused,
)


def main() -> None:
    told = {}
    for chapter in CHAPTERS:
        with tempfile.TemporaryDirectory(prefix="mac-") as folder, Engine.emulated() as engine:
            try:
                chapter(engine, Path(folder))
                told[chapter.__name__] = ""
            except Exception:
                told[chapter.__name__] = traceback.format_exc()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
