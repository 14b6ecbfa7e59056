"""All three sources side by side on a kernel that loads modules, and the commands that bring these there."""

import json
import lzma
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from bench import collect_vm
from bench._load import compile_load
from tests.kernel.vm import machine, whole
from tests.kernel.vm.machine import Kernel, Outcome
from tests.support.running import free_port
from tests.support.waiting import eventually
from tukur.hub.orders.key import OrderKey
from tukur.protocol.auth import new_key, public_key

pytestmark = pytest.mark.timeout(1500)

HOST = "5ca1ab1e-0000-4000-8000-000000000001"
PREPARE = f"""
{whole.ENVIRONMENT}
mount -t securityfs securityfs /sys/kernel/security
cd {machine.ROOT}
tukur() {{ {sys.executable} -m tukur "$@"; }}
"""
LOAD = """
(while :; do /bin/true; done) &
(while :; do head -c 3000000 /dev/zero > /tmp/x; sleep 0.1; done) &
(while :; do :; done) &
nice -n 7 sleep 1000 &
"""
COMPARE = f"""{PREPARE}
insmod /tukur_ram.ko && insmod /tukur_cpu.ko || exit 1
{LOAD}
tukur doctor --cross-check --seconds 30 --json > /out/compared.json
echo $? > /out/code
TUKUR_BENCH_LOAD=/bin/load {sys.executable} -m bench collect --smallest > /out/rows
"""
INSTALL = f"""{PREPARE}
tukur module install --no-dkms --proc-name-ram ram_x --gid 7 --events-kib 512 > /out/install 2>&1
echo $? >> /out/install
cat /etc/modprobe.d/tukur.conf /etc/modules-load.d/tukur.conf > /out/settings
ls -ln /proc/ram_x /proc/tukur_cpu /proc/tukur_tasks /proc/tukur_events > /out/files
tukur module status --json > /out/status.json
rmmod tukur_cpu tukur_ram; modprobe tukur_cpu
cat /sys/module/tukur_cpu/parameters/events_kib > /out/again; modprobe tukur_ram
sleep 1000 < /proc/tukur_events &
tukur module remove > /out/remove 2>&1
echo $? >> /out/remove
tukur module remove > /out/remove-again 2>&1
ls -d /proc/tukur_* /proc/ram_x /etc/mod*.d/tukur.conf /lib/modules/*/updates/tukur > /out/left 2>&1
"""
REFUSED = f"""{PREPARE}
mkdir -p /lib/modules/$(uname -r)/updates/tukur /etc/modprobe.d
cp /tukur_ram.ko /tukur_cpu.ko /lib/modules/$(uname -r)/updates/tukur/
depmod
{sys.executable} -c '
from tukur.cli import module_steps
from tukur.sources.module.kmod import machine_state
try:
    module_steps.load(machine_state(), by_dkms=False)
except module_steps.StepError as error:
    print(error)
' > /out/refusal 2>&1
tukur module status --json > /out/status.json
{sys.executable} -c '
from tukur.sources.registry import choose
source, refused = choose()
print(source.name, source.form, len(source.read()) > 5, *refused)
' > /out/chosen 2>&1
"""
RELAY = """
import asyncio, sys
async def pass_on(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
async def accept(reader, writer):
    there = await asyncio.open_connection("10.0.2.2", int(sys.argv[1]))
    await asyncio.gather(pass_on(reader, there[1]), pass_on(there[0], writer))
async def main():
    async with await asyncio.start_server(accept, "127.0.0.1", 8787) as server:
        await server.serve_forever()
asyncio.run(main())
"""
"""The agent speaks plain HTTP to its own machine only, as through an SSH tunnel; this is the tunnel."""
AGENT = (
    PREPARE
    + """
insmod /tukur_ram.ko && insmod /tukur_cpu.ko && insmod /net.ko || exit 1
ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0 || exit 1
mkdir -m 700 /state && cp /host_id /agent.key /state && chmod 600 /state/*
INTERPRETER /relay.py PORT &
INTERPRETER -m tukur agent run --data /state --order-key ORDER_KEY --source module > /out/agent 2>&1 &
agent=$!
sleep 30
i=0; while [ $i -lt 20 ]; do /bin/busybox sleep 0.0$i; i=$((i + 1)); done
sleep 40
kill -TERM $agent
wait $agent
echo $? > /out/code
"""
)


@pytest.fixture(scope="module")
def compared(boot: Callable[..., Outcome], tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return boot(COMPARE, more={"bin/load": compile_load(tmp_path_factory.mktemp("load"))})


def test_module_bpf_and_procfs_agree_about_every_field_under_load(compared: Outcome) -> None:
    found = json.loads(compared.text("compared.json"))
    pairs = {(pair["first"], pair["second"]): pair for pair in found["comparisons"]}
    assert set(pairs) == {("module", "bpf"), ("module", "procfs"), ("bpf", "procfs")}, compared.text("log")
    for pair in pairs.values():
        assert pair["readings"] >= 22
        assert pair["processes"] > 40
        wrong = [field for field in pair["fields"] if not field["agrees"]]
        assert not wrong, "\n".join(
            f"{pair['second']} and {pair['first']} about {field['field']}: "
            f"{field['off']} of {field['compared']}, such as {field['worst']}"
            for field in wrong
        )
        assert min(field["equal"] + field["within"] for field in pair["fields"]) > 0
    assert compared.text("code") == "0\n"
    assert compared.complaints() == []


def test_the_benchmark_of_one_reading_measures_the_module_in_the_machine(
    compared: Outcome, kernel: Kernel
) -> None:
    rows = collect_vm.rows_of(compared.text("rows"), kernel, compared.text("log"))
    spent = {row["subject"]: row["cpu_ms"] for row in rows if "cpu_ms" in row}
    assert {"module", "bpf", "procfs", "psutil"} <= spent.keys(), rows


def test_module_install_status_and_remove(boot: Callable[..., Outcome], kernel: Kernel) -> None:
    if not whole.has_toolchain(kernel):
        pytest.skip("the kernel's headers are not where its modules are")
    done = boot(INSTALL, toolchain=True)
    install = done.text("install").splitlines()
    assert install[0] == f"building for {kernel.release}"
    assert install[-1] == "0", install
    assert done.text("settings").splitlines() == [
        "# Written by `tukur module install`.",
        "options tukur_ram gid=7 proc_name=ram_x",
        "options tukur_cpu gid=7 events_kib=512",
        "# Written by `tukur module install`.",
        "tukur_ram",
        "tukur_cpu",
    ]
    assert [line.split()[2:4] for line in done.text("files").splitlines()] == [["0", "7"]] * 4
    status = json.loads(done.text("status.json"))
    assert status["agent_source"] == "module"
    assert status["machine"]["installed_for"] == [kernel.release]
    assert [module["version"] for module in status["machine"]["loaded"]] == [status["version"]] * 2
    # The settings hold for whoever loads them, as at the next start of the machine.
    assert done.text("again") == "512\n"
    remove = done.text("remove")
    assert "sleep (PID " in remove
    assert "has /proc/tukur_events open" in remove
    assert remove.splitlines()[-1] == "0"
    assert done.text("remove-again") == "nothing was installed\n"
    assert [
        line for line in done.text("left").splitlines() if "tukur" in line and "No such" not in line
    ] == []
    assert done.complaints() == []


@pytest.mark.parametrize("option", ["module.sig_enforce=1", "lockdown=integrity"])
def test_a_refused_module_is_explained_and_ebpf_goes_on(boot: Callable[..., Outcome], option: str) -> None:
    done = boot(REFUSED, toolchain=True, options=option)
    refusal = done.text("refusal")
    assert refusal.startswith(f"this kernel takes signed modules only ({option})"), refusal
    assert len(refusal.splitlines()) == 1
    chosen = done.text("chosen")
    # Debian's kernel is older than what a walk needs.
    assert chosen.startswith("bpf iterator True module: /proc/tukur_tasks is not there"), chosen
    status = json.loads(done.text("status.json"))
    assert status["agent_source"] == "bpf"
    assert status["machine"]["loaded"] == []


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[int, bytes, httpx.Client, Path]]:
    """A hub on this machine that knows the host: its port, the host's key, a client, its data folder."""
    folder, key, port = tmp_path / "hub", new_key(), free_port()
    folder.mkdir(mode=0o700)
    enrol = f"{HOST}:{public_key(key).hex()}:in-the-vm"
    command = [sys.executable, "-m", "tukur"]
    with subprocess.Popen(
        [*command, "hub", "--data", str(folder), "--port", str(port), "--enrol", enrol],
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            eventually(lambda: _listens(port), 60, "the hub listens")
            token = subprocess.run(
                [*command, "token", "create", "--data", str(folder), "--name", "test"],
                check=True,
                capture_output=True,
                text=True,
            ).stdout.strip()
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", timeout=30, headers={"Authorization": f"Bearer {token}"}
            ) as client:
                yield port, key, client, folder
        finally:
            process.terminate()
            process.wait(30)


def _listens(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/").status_code < 500
    except httpx.HTTPError:
        return False


def _network_driver(kernel: Kernel, folder: Path) -> Path:
    installed = Path("/lib/modules") / kernel.release / "kernel/drivers/net/ethernet/intel/e1000"
    drivers = sorted(installed.glob("e1000.ko*"))
    drivers += (machine.ROOT / ".cache" / "kernels").glob(f"e1000-{kernel.release}.ko*")
    if not drivers:
        pytest.skip(
            f"no network driver e1000 of kernel {kernel.release} below /lib/modules or in .cache/kernels"
        )
    driver = folder / "net.ko"
    content = drivers[0].read_bytes()
    driver.write_bytes(lzma.decompress(content) if drivers[0].suffix == ".xz" else content)
    return driver


def test_the_agent_records_with_the_module_to_a_hub_outside(
    boot: Callable[..., Outcome], kernel: Kernel, hub: tuple[int, bytes, httpx.Client, Path], tmp_path: Path
) -> None:
    port, key, client, folder = hub
    for name, content in (("agent.key", key), ("host_id", HOST.encode()), ("relay.py", RELAY.encode())):
        (tmp_path / name).write_bytes(content)
    script = AGENT.replace("INTERPRETER", sys.executable).replace("PORT", str(port))
    done = boot(
        script.replace("ORDER_KEY", OrderKey(folder).public.hex()),
        more={
            "net.ko": _network_driver(kernel, tmp_path),
            **{name: tmp_path / name for name in ("agent.key", "host_id", "relay.py")},
        },
        devices=["-nic", "user,model=e1000"],
    )
    assert done.text("code") == "0\n", done.text("agent")
    (host,) = client.get("/api/hosts").raise_for_status().json()["hosts"]
    assert (host["source"], host["kernel"], host["name"]) == ("module", kernel.release, "in-the-vm")
    assert host["last_ms"] - host["first_ms"] > 20_000
    at = (host["first_ms"] + host["last_ms"]) // 2
    answer = client.get(f"/api/hosts/{HOST}/processes", params={"at": at}).raise_for_status().json()
    names = {process["name"] for process in answer["processes"]}
    assert {"init", "kthreadd", "sh"} <= names, names
    query = {"from": host["first_ms"], "to": host["last_ms"]}
    ended = client.get(f"/api/hosts/{HOST}/exits", params=query).raise_for_status().json()
    assert len([entry for entry in ended["exits"] if "sleep 0.0" in str(entry)]) == 20
    assert done.complaints() == []
