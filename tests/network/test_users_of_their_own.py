"""A bridge for containers whose users are not the host's: their network belongs to their user namespace."""

from typing import Any

import pytest
import world

pytestmark = pytest.mark.needs("root", "runc", "overlay", "nft")

MAPPED = {"uidmap": ["0:100000:65536"]}


def test_a_container_with_users_of_its_own_has_a_bridge_by_default(site: Any, outside: world.Place) -> None:
    web = site.serve(hostname="web", publish=["8080:80"], **MAPPED)
    assert outside.get(world.HOST, 8080) == "web\n" and outside.get(world.HOST6, 8080) == "web\n"
    init = site.place(web)
    with outside.serving(world.PEER):
        assert init.get(world.OUTSIDE, 8000) == world.HOST


def test_its_network_is_its_own_to_show_and_to_set(site: Any) -> None:
    """Whose a namespace is, decides who may mount sysfs of it, and who may write its settings: user_namespaces(7)."""
    script = "ls /sys/class/net; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; cat /proc/self/uid_map"
    text = site.output("/bin/sh", "-c", script, sys_ctl={"net.ipv4.ip_unprivileged_port_start": "81"}, **MAPPED)
    assert text.split() == ["eth0", "lo", "81", "0", "100000", "65536"]


def test_who_shares_its_users_has_a_network_of_the_same_owner(site: Any) -> None:
    first = site.run("sleep", "1000", name="first", **MAPPED)
    text = site.output("/bin/sh", "-c", "ls /sys/class/net; readlink /proc/self/ns/user", userns_mode="container:first")
    assert text.split() == ["eth0", "lo", site.place(first).run("readlink", f"/proc/{site.place(first).pid}/ns/user").strip()]


def test_a_start_that_fails_leaves_no_namespace(site: Any) -> None:
    container = site.create("/no/such/program", **MAPPED)
    with pytest.raises(Exception, match="no such"):
        container.start()
    assert site.engine.host.network.known() == [] and list((site.config.runroot / "userns").iterdir()) == []
    assert world.links() == set()
