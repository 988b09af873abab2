"""podlink inside somebody else's test suite: images from mappings, programs in Python, the service in a thread, the plugin."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from patience import until

import podlink
from podlink import Engine
from podlink.api.serving import serve
from podlink.api.varlink.client import Client
from podlink.engine.containers.reconcile import reconcile
from podlink.engine.errors import EngineUnavailable, InvalidRequest
from podlink.engine.runtime.emulator.process import Process

PODMAN = "io.projectatomic.podman"


@pytest.fixture
def engine() -> Engine:
    with Engine.emulated() as made:
        yield made


def test_an_image_from_a_mapping_runs(engine: Engine) -> None:
    image = engine.images.build_from(
        {"/bin/app": "#!/bin/sh\necho $GREETING"}, {"Cmd": ["app"], "Env": ["GREETING=hello", "PATH=/bin"]}, userland=True
    )
    done = engine.containers.run(image)
    assert (done.exit_code, done.logs) == (0, ["hello\n"]) and engine.containers.list() == []


def test_the_same_files_are_the_same_layer_and_a_name_is_kept(engine: Engine) -> None:
    one = engine.images.build_from({"/a": b"1", "/b/c": b"2"}, name="one")
    two = engine.images.build_from({"/b/c": b"2", "/a": b"1"}, name="two")
    images = {each.id: each for each in engine.host.state.images.all()}
    assert images[one].layers == images[two].layers and images[one].names == ("localhost/one:latest",)


@pytest.mark.parametrize(
    ("files", "config", "words"),
    [
        ({"relative": b""}, {}, "files: 'relative' is not the absolute path of a file"),
        ({"/folder/": b""}, {}, "files: '/folder/' is not"),
        ({"": b""}, {}, "files: '' is not"),
        ({"/a/../b": b""}, {}, "files: '/a/../b' is not"),
        ({"/a": 1}, {}, "files: /a is to hold bytes or a str, not 1"),
        ({"/a/b/c": "", "/a": ""}, {}, "files: /a/b/c can't lie below /a, which is a file"),
        ({}, {"cmd": ["x"]}, "config: 'cmd' is none of Cmd, Entrypoint, Env,"),
        ({}, {"Cmd": "x"}, "config.Cmd: a list is wanted and 'x' was found"),
        ({}, {"Env": [b"A=1"]}, "bytes"),
    ],
)
def test_what_is_no_image_is_refused(engine: Engine, files: Any, config: Any, words: str) -> None:
    with pytest.raises(InvalidRequest, match=re.escape(words)):
        engine.images.build_from(files, config)
    assert engine.images.list() == []


def test_an_image_is_made_as_another_one_was_configured(engine: Engine) -> None:
    config = {"Cmd": ["true"], "ExposedPorts": {"80/tcp": {}}, "Labels": {"a": "b"}}
    first = engine.images.inspect(engine.images.build_from({}, config))["ContainerConfig"]
    assert engine.images.inspect(engine.images.build_from({}, first))["ContainerConfig"] == first


@pytest.mark.parametrize("path", ["/", "a/../b", "a\0b", "a\nb", "\ud800"])
def test_a_cgroup_that_no_path_can_name_is_refused_before_anything_is_made(engine: Engine, path: str) -> None:
    """What got as far as a run could neither be removed nor be passed over when the root was opened again."""
    image = engine.images.build_from({}, userland=True)
    with pytest.raises(InvalidRequest, match=r"cgroup_parent: .* is not the path of a cgroup"):
        engine.containers.create(image=image, command=["true"], cgroup_parent=path)
    assert engine.containers.list() == []


def test_a_container_that_can_not_be_settled_keeps_no_root_closed(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    container = engine.containers.create(image=engine.images.build_from({}, userland=True), command=["true"])
    with engine.faults.fail("runtime.delete", error=ValueError("no path")) as fault:
        reconcile(engine.host)
    assert fault.struck and f"container {container.id[:12]} could not be brought up to date: no path" in caplog.text


def test_users_of_a_userland_have_names(engine: Engine) -> None:
    image = engine.images.build_from({}, userland=True)
    told = [engine.containers.run(image, ["sh", "-c", "id; pwd; cd; pwd"], user=user).logs for user in ("", "nobody")]
    assert told[0] == ["uid=0(root) gid=0(root)\n", "/\n", "/root\n"] and told[1][0] == "uid=65534(nobody) gid=65534(nobody)\n"


def test_what_a_run_held_is_free_for_who_waited_for_its_end(engine: Engine) -> None:
    """Its address and its ports: so a test's next container gets the same ones each time."""
    image = engine.images.build_from({}, userland=True)
    for _ in range(20):
        container = engine.containers.create(image=image, command=["true"], publish=["8080:80"])
        container.start()
        container.wait()
        assert engine.host.state.networks.lease_of(container.id) is None
        assert engine.host.state.containers.get(container.id).status == "exited"


def test_a_container_tells_its_id_and_no_more(engine: Engine) -> None:
    container = engine.containers.create(image=engine.images.build_from({}, userland=True), command=["true"])
    assert repr(container) == f"Container(id={container.id!r})"


def test_a_program_in_python(engine: Engine) -> None:
    def nginx(process: Process) -> int:
        process.write(1, f"serving as {process.argv[1:]} in {process.env['MODE']}\n")
        ended: list[int] = []
        process.on_signal(15, ended.append)
        while not ended:
            process.pause()
        process.write(1, "bye\n")
        return 3

    engine.programs["/usr/sbin/nginx"] = nginx
    image = engine.images.build_from({"/etc/nginx.conf": b"x"}, {"Env": ["MODE=test"]})
    container = engine.containers.create(image=image, command=["/usr/sbin/nginx", "-g", "daemon off;"])
    container.start()
    until(container.logs)
    container.stop(300)
    assert container.wait() == 3
    assert container.logs() == ["serving as ['-g', 'daemon off;'] in test\n", "bye\n"]


def test_a_program_is_found_along_the_path_and_may_fail(engine: Engine) -> None:
    def broken(process: Process) -> int:
        raise KeyError("a defect of the program's own")

    engine.programs["/usr/bin/broken"] = broken
    done = engine.containers.run(engine.images.build_from({"/x": b""}), ["broken"])
    assert done.exit_code == 1 and "a defect of the program's own" in "".join(done.logs)


def test_two_engines_do_not_meet() -> None:
    with Engine.emulated(seed=1) as one, Engine.emulated(seed=1) as other:
        for engine in (one, other):
            engine.containers.create(image=engine.images.build_from({"/x": b""}), command=["/x"], name="same")
        assert one.containers.list()[0].container.id == other.containers.list()[0].container.id
        one.containers.get("same").remove()
        assert len(other.containers.list()) == 1


@pytest.mark.needs("root", "runc", "overlay")
def test_only_an_emulated_engine_takes_programs(tmp_path: Path, cgroup_parent: str) -> None:
    from podlink import Config

    with Engine.open(Config(root=tmp_path / "root", runroot=tmp_path / "run", cgroup_parent=cgroup_parent)) as real:
        with pytest.raises(EngineUnavailable, match="runc"):
            real.programs["/x"] = lambda process: 0
        with pytest.raises(InvalidRequest, match="userland"):
            real.images.build_from({"/x": b""}, userland=True)


def test_a_service_in_a_thread(engine: Engine, tmp_path: Path) -> None:
    with serve(engine) as address, Client.connect(address) as client:
        assert client.call(f"{PODMAN}.Ping") == {"ping": {"message": "OK"}}
    with serve(engine, f"unix:{tmp_path}/s") as address:
        assert address == f"unix:{tmp_path}/s" and (tmp_path / "s").exists()
    assert not (tmp_path / "s").exists()


def test_the_plugin_costs_nothing_where_it_is_not_used() -> None:
    home = str(Path(podlink.__file__).absolute().parent.parent)
    script = f"import sys; sys.path.insert(0, {home!r}); import podlink.api.pytest_plugin; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "sqlalchemy" not in loaded and "podlink.engine.app" not in loaded
