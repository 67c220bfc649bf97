"""What this machine has: accelerators by the names that CUDA_VISIBLE_DEVICES takes."""

from types import SimpleNamespace

from scaffold.machine import parse_accelerators
from scaffold.records.evidence import Machine
from scaffold.reproduce.deviations import hardware_remarks

WHOLE = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-11111111-2222-3333-4444-555555555555)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-66666666-7777-8888-9999-000000000000)
"""

SPLIT = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-11111111-2222-3333-4444-555555555555)
  MIG 3g.20gb     Device  0: (UUID: MIG-aaaaaaaa-2222-3333-4444-555555555555)
  MIG 3g.20gb     Device  1: (UUID: MIG-bbbbbbbb-2222-3333-4444-555555555555)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-66666666-7777-8888-9999-000000000000)
GPU 10: NVIDIA A100-SXM4-40GB (UUID: GPU-77777777-7777-8888-9999-000000000000)
  MIG 7g.40gb     Device  0: (UUID: MIG-cccccccc-2222-3333-4444-555555555555)
"""


def test_accelerators_of_a_listing():
    assert parse_accelerators(WHOLE) == ("0", "1")
    assert parse_accelerators("") == parse_accelerators("No devices were found\n") == ()


def test_a_split_accelerator_is_used_by_its_parts():
    first, second, third = (f"MIG-{letter * 8}-2222-3333-4444-555555555555" for letter in "abc")
    assert parse_accelerators(SPLIT) == (first, second, "1", third)


def run_on(seed: int, processor: str, accelerator: str | None = None, cores: int = 1):
    machine = Machine(
        processor=processor, cores=cores, memory_gb=1, accelerator=accelerator, system="any"
    )
    return SimpleNamespace(seed=seed, machine=machine)


def test_runs_on_different_hardware_are_told():
    alike = [run_on(0, "one"), run_on(1, "one", cores=8)]
    assert hardware_remarks(alike) == []
    (remark,) = hardware_remarks([*alike, run_on(2, "one", "GPU"), run_on(3, "two")])
    assert remark.code == "hardware"
    assert remark.text.endswith("one: seed 0, 1; one with GPU: seed 2; two: seed 3")
