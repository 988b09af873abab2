"""Which variants a machine runs, from what its processors can do."""

import pytest

from podlink.engine.linux import facts
from podlink.engine.oci.image.platforms import EVERY_FEATURE, LEVELS, Platform, platform_of

V2, V3, V4 = (words.split() for words in LEVELS["x86_64"].values())
NEHALEM = "fpu sse sse2 pni ssse3 cx16 sse4_1 sse4_2 popcnt lahf_lm"
GRAVITON_2 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp ssbs"


@pytest.mark.parametrize(
    ("machine", "features", "variants"),
    [
        ("x86_64", [], ("", "v1")),
        ("x86_64", NEHALEM.split(), ("v2", "", "v1")),
        ("x86_64", [*V2, *V3], ("v3", "v2", "", "v1")),
        ("x86_64", EVERY_FEATURE, ("v4", "v3", "v2", "", "v1")),
        ("x86_64", [*V3, *V4], ("", "v1")),
        ("x86_64", [*V2, *V4], ("v2", "", "v1")),
        ("aarch64", [], ("v8", "", "v8.0")),
        ("aarch64", GRAVITON_2.split(), ("v8.2", "v8.1", "v8", "", "v8.0")),
        ("aarch64", EVERY_FEATURE, ("v9", "v8.5", "v8.4", "v8.3", "v8.2", "v8.1", "v8", "", "v8.0")),
        ("armv7l", EVERY_FEATURE, ("v7", "v6", "v5", "")),
        ("riscv64", EVERY_FEATURE, ("",)),
    ],
)
def test_a_level_takes_all_that_it_and_those_before_it_need(machine: str, features: list[str], variants: tuple[str, ...]) -> None:
    assert platform_of(machine, features).variants == variants


@pytest.mark.parametrize("lacking", V3)
def test_one_feature_that_is_missing_is_a_level_less(lacking: str) -> None:
    assert platform_of("x86_64", EVERY_FEATURE - {lacking}).variants == ("v2", "", "v1")


def test_a_platform_is_told_by_its_best_variant() -> None:
    assert str(platform_of("x86_64", V2)) == "linux/amd64/v2" and str(platform_of("riscv64")) == "linux/riscv64"
    assert platform_of("x86_64") == Platform("amd64", ("", "v1"))


def test_features_are_those_of_every_processor() -> None:
    told = "processor\t: 0\nflags\t\t: fpu avx2 pni\nvmx flags\t: vnmi\n\nprocessor\t: 1\nflags\t\t: fpu pni\n"
    assert facts.features(told) == {"fpu", "pni"}
    assert facts.features("processor\t: 0\nFeatures\t: fp asimd\n") == {"fp", "asimd"}
    assert facts.features("") == facts.features("cpu : POWER9\n") == frozenset()
