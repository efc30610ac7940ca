"""Reading a machine from what systems say; the texts are made up after their formats."""

from pathlib import Path

import pytest

from freehold.catalog.fit.accelerators import accelerator
from freehold.catalog.fit.machine import Gpu, Machine, amd, here, linux, macos, nvidia

GIB = 1 << 30
THREADS = "\n\n".join(
    f"processor\t: {n}\nmodel name\t: Example 9 Processor\n"
    f"physical id\t: 0\ncore id\t\t: {n // 2}\nflags\t\t: fpu avx2 avx512f"
    for n in range(4)
)
MEMORY = "MemTotal:       32000000 kB\nMemFree:         1000000 kB\nMemAvailable:   20000000 kB\n"
MAC = """hw.memsize: {memory}
hw.physicalcpu: 12
hw.pagesize: 16384
hw.optional.arm64: 1
hw.optional.arm.FEAT_BF16: 1
hw.optional.arm.FEAT_SME: 0
machdep.cpu.brand_string: Apple M4 Pro
vm.page_free_count: 100000
{wired}"""


def test_threads_of_one_core_are_counted_once() -> None:
    assert linux(THREADS, MEMORY) == Machine(
        system="Linux",
        processor="Example 9 Processor",
        cores=2,
        features=("avx512f", "avx2"),
        memory=32_000_000 * 1024,
        available=20_000_000 * 1024,
    )


def test_an_arm_board_without_core_ids_has_as_many_cores_as_processors() -> None:
    board = linux("processor\t: 0\nFeatures\t: fp asimddp i8mm\n\nprocessor\t: 1\n", MEMORY)

    assert (board.cores, board.features, board.processor) == (2, ("asimddp", "i8mm"), "unknown")


def test_a_container_may_take_only_what_its_limit_leaves() -> None:
    assert linux(THREADS, MEMORY, cgroup=str(4 * GIB), used=str(GIB)).free == 3 * GIB
    assert linux(THREADS, MEMORY, cgroup=str(GIB), used=str(2 * GIB)).free == 0
    assert linux(THREADS, MEMORY, cgroup="max").free == 20_000_000 * 1024


@pytest.mark.parametrize(
    ("memory", "wired", "unified"),
    [
        (36 * GIB, "", 24 * GIB),
        (64 * GIB, "iogpu.wired_limit_mb: 0", 48 * GIB),
        (64 * GIB, "iogpu.wired_limit_mb: 57344", 56 * GIB),
        (64 * GIB, "iogpu.wired_limit_mb: 999999", 64 * GIB),
    ],
)
def test_the_gpu_of_an_apple_chip_has_what_may_be_wired(memory: int, wired: str, unified: int) -> None:
    mac = macos(MAC.format(memory=memory, wired=wired))

    assert (mac.unified, mac.cores, mac.features) == (unified, 12, ("bf16",))
    assert mac.gpus == (Gpu(name="Apple M4 Pro", memory=unified, used=0),)


def test_an_intel_mac_has_no_unified_memory() -> None:
    mac = macos("hw.memsize: 17179869184\nmachdep.cpu.brand_string: Intel(R) Core(TM) i7\n")

    assert (mac.unified, mac.gpus) == (None, ())


@pytest.mark.parametrize("read", [lambda: linux(THREADS, ""), lambda: macos("hw.ncpu: 8\n")])
def test_a_system_that_does_not_say_its_memory_is_not_guessed(read: object) -> None:
    assert callable(read)
    with pytest.raises(ValueError, match="names no"):
        read()


def test_gpus_have_what_others_left_and_divided_ones_are_left_out() -> None:
    text = (
        "NVIDIA GeForce RTX 3090, 24576, 1024, 8.6, [N/A]\n"
        "NVIDIA A100-SXM4-80GB, 81920, 5, 8.0, Enabled\n"
        "NVIDIA GB10, [N/A], [N/A], 12.1, [N/A]\n"
    )
    (card,) = nvidia(text)

    assert (card.name, card.free, card.capability) == ("NVIDIA GeForce RTX 3090", 23 * GIB, "8.6")
    assert nvidia("NVIDIA-SMI has failed\n") == ()


def test_cards_of_amd_are_read_from_their_driver(tmp_path: Path) -> None:
    device = tmp_path / "card0" / "device"
    device.mkdir(parents=True)
    (tmp_path / "card1" / "device").mkdir(parents=True)
    (device / "mem_info_vram_total").write_text(f"{24 * GIB}\n")
    (device / "mem_info_vram_used").write_text(f"{GIB}\n")
    (device / "product_name").write_text("Radeon RX 7900 XTX\n")

    assert amd(tmp_path) == (Gpu(name="Radeon RX 7900 XTX", memory=24 * GIB, used=GIB),)


def test_this_machine_has_cores_and_memory() -> None:
    machine = here()

    assert machine.cores >= 1
    assert 0 < machine.free <= machine.memory


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("NVIDIA GeForce RTX 3090 Ti", "rtx 3090 ti"),
        ("NVIDIA GeForce RTX 3090", "rtx 3090"),
        ("NVIDIA H100 80GB HBM3", "h100 80gb hbm3"),
        ("NVIDIA A100-SXM4-80GB", "a100-sxm4-80gb"),
        ("NVIDIA L40S", "l40s"),
        ("Apple M4 Max", "m4 max"),
        ("NVIDIA A100-PCIE-40GB", "a100"),
    ],
)
def test_an_accelerator_is_known_by_its_longest_name(name: str, known: str) -> None:
    found = accelerator(name)

    assert found is not None
    assert found.name == known


@pytest.mark.parametrize("name", ["Voodoo 3", "NVIDIA L400", "", "Xm4"])
def test_an_accelerator_we_do_not_know_is_none(name: str) -> None:
    assert accelerator(name) is None
