"""Control files as this kernel, and its documentation, write them."""

from dataclasses import fields

import pytest

from podlink.engine.stats import cgroup_v1, cgroup_v2, net
from podlink.engine.stats.sample import Sample
from podlink.engine.stats.usage import Usage

HOST = 25_274_793_984

VERSION_1 = {
    "cpuacct.usage": "93807023671\n",
    "cpuacct.stat": "user 4575\nsystem 4805\n",
    "memory.usage_in_bytes": "24399872\n",
    "memory.limit_in_bytes": "67108864\n",
    "memory.stat": "cache 21180416\nrss 1855488\ninactive_file 1\ntotal_cache 21180416\ntotal_inactive_file 20971520\n",
    "pids.current": "3\n",
    "blkio.throttle.io_service_bytes_recursive": (
        "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 12288\n8:0 Async 0\n8:0 Discard 0\n8:0 Total 12288\n"
        "254:0 Read 1000\n254:0 Write 0\n254:0 Total 1000\nTotal 13288\n"
    ),
    "blkio.bfq.io_service_bytes_recursive": "Total 0\n",
}

VERSION_2 = {
    "cpu.stat": "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\nnr_periods 0\n",
    "memory.current": "24399872\n",
    "memory.max": "max\n",
    "memory.stat": "anon 1855488\nfile 21180416\ninactive_anon 0\ninactive_file 20971520\n",
    "pids.current": "3\n",
    "io.stat": (
        "8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0\n"
        "8:0 rbytes=90430464 wbytes=299008000 rios=8950 wios=1252 dbytes=50331648 dios=3021\n"
    ),
}


NETWORK = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    3193      29    0    0    0     0          0         0     3193      29    0    0    0     0       0          0
  eth0: 83151918    2257    0    0    0     0          0         0   122303    1221    0    0    0     0       0          0
eth1:10 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0
"""


def test_version_1_adds_up() -> None:
    assert cgroup_v1.usage(VERSION_1, HOST) == Usage(
        cpu_nano=93_807_023_671,
        system_nano=48_050_000_000,
        mem_usage=24_399_872 - 20_971_520,
        mem_limit=67_108_864,
        block_input=5096,
        block_output=8192,
        pids=3,
    )


def test_version_2_adds_up() -> None:
    assert cgroup_v2.usage(VERSION_2, HOST) == Usage(
        cpu_nano=1_500_000_000,
        system_nano=500_000_000,
        mem_usage=24_399_872 - 20_971_520,
        mem_limit=HOST,
        block_input=1_459_200 + 90_430_464,
        block_output=314_773_504 + 299_008_000,
        pids=3,
    )


def test_an_older_kernel_counts_in_another_file() -> None:
    older = {
        "blkio.throttle.io_service_bytes_recursive": "Total 0\n",
        "blkio.io_service_bytes_recursive": "8:0 Read 7\n8:0 Write 9\n",
    }
    usage = cgroup_v1.usage(older, HOST)
    assert (usage.block_input, usage.block_output) == (7, 9)


@pytest.mark.parametrize(("limit", "shown"), [("9223372036854771712\n", HOST), ("1048576\n", 1_048_576)])
def test_no_limit_is_the_memory_of_the_host(limit: str, shown: int) -> None:
    assert cgroup_v1.usage({"memory.limit_in_bytes": limit}, HOST).mem_limit == shown


def test_missing_files_count_nothing() -> None:
    assert cgroup_v1.usage({}, HOST) == cgroup_v2.usage({}, HOST) == Usage(mem_limit=HOST)


def test_a_cache_that_outran_the_reading_is_no_negative_use() -> None:
    assert cgroup_v2.usage({"memory.current": "10\n", "memory.stat": "inactive_file 20\n"}, HOST).mem_usage == 0


def test_every_figure_has_its_place_in_a_sample() -> None:
    assert {field.name for field in fields(Usage)} <= {field.name for field in fields(Sample)}


def test_network_figures_leave_loopback_out() -> None:
    assert net.totals(NETWORK) == (83_151_928, 122_323)
    assert net.totals("") == (0, 0)
