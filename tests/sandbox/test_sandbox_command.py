"""`sandbox` as an operator runs it: a process of its own, its lines, its signals, its mistakes."""

import asyncio
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process

import aiohttp
import pytest
from click.testing import CliRunner

from gateway.cli.sandbox import sandbox
from gateway.sandbox import OUTCOMES
from gateway.sandbox.catalog import product_table
from gateway.sandbox.faults import ALL, FAULT_NAMES, Fault

RUN = "from gateway.cli.sandbox import sandbox; sandbox()"


async def run(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, *arguments, stdout=PIPE, stderr=PIPE
    )


async def line_of(process: Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 20)).decode().rstrip("\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_command_serves_tells_and_ends_with_0(number: signal.Signals) -> None:
    process = await run("--listen", "127.0.0.1:0", "--account", "kunci-1=5000", "--delay", "0.01")
    try:
        ready = await line_of(process)
        url = ready.removeprefix("sandbox upstream: ")
        assert url.startswith("http://127.0.0.1:")
        assert not url.endswith(":0")
        query = "apikey=kunci-1&product_code=S1_1187&user_id=55001&trx_id=t-1"
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{url}/v3/otomax/order?{query}") as response,
        ):
            assert (await response.text()).endswith(" . Sisa saldo 3489")
        told = await line_of(process)
        assert told.startswith("order R#t-1 v3: APIKUY_ML_")
        assert "kunci-1" not in told
        process.send_signal(number)
        _, errors = await asyncio.wait_for(process.communicate(), 20)
        assert (process.returncode, errors) == (0, b"")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_taken_port_is_one_clear_line_and_exit_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await run("--listen", f"127.0.0.1:{port}")
        output, errors = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert output == b""
    assert errors.decode() == (
        f"Error: cannot listen on 127.0.0.1:{port}: the port is taken; choose another --listen\n"
    )


def test_help_shows_the_whole_table() -> None:
    result = CliRunner().invoke(sandbox, ["--help"])
    assert result.exit_code == 0
    for outcome in OUTCOMES:
        assert f"  {outcome.suffix}  {outcome.indonesian}" in result.output
        assert outcome.english in result.output
    assert product_table().splitlines()[0] in result.output
    assert "default: auto" in result.output
    for fault in Fault:
        assert f"  {fault.label} " in result.output
        assert fault.indonesian in result.output
        assert fault.english in result.output


@pytest.mark.parametrize("name", ["nope", "HTML", ""])
def test_an_unknown_fault_is_exit_2_and_lists_what_there_is(name: str) -> None:
    result = CliRunner().invoke(sandbox, ["--fault", f"{name}=0.1"])
    assert result.exit_code == 2
    for known in (ALL, *FAULT_NAMES):
        assert f" {known}" in result.output


async def test_faults_and_seed_are_told_and_hit_on_uvloop_too() -> None:
    arguments = ["--fault", "all=0", "--fault", "reset-after=1", "--seed", "7"]
    process = await run("--listen", "127.0.0.1:0", *arguments)
    try:
        url = (await line_of(process)).removeprefix("sandbox upstream: ")
        assert await line_of(process) == "faults, seed 7: all=0 reset-after=1"
        host, _, port = url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /v3/otomax/order?apikey=k&product_code=P&user_id=55001&trx_id=t-1")
        writer.write(b" HTTP/1.1\r\nHost: s\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 20)
        writer.transport.abort()
        assert (await line_of(process)).startswith("order R#t-1 v3: APIKUY_")
        async with aiohttp.ClientSession() as http, http.get(f"{url}/sandbox/ledger") as books:
            assert len((await books.json())["orders"]["t-1"]["purchases"]) == 1
    finally:
        process.kill()
        await process.communicate()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--listen", "8090"],
        ["--listen", "127.0.0.1:65536"],
        ["--listen", ":8090"],
        ["--account", "kunci-rahasia"],
        ["--account", "kunci-rahasia=-1"],
        ["--account", "kunci-rahasia=1,5"],
        ["--delay", "-1"],
        ["--fault", "html"],
        ["--fault", "html=1.1"],
        ["--fault", "html=nan"],
        ["--fault", "html=x"],
        ["--seed", "a"],
        ["--callbacks", "xml"],
        ["--webhook", "ftp://h/"],
        ["--webhook", ""],
    ],
)
def test_a_wrong_option_is_exit_2_and_tells_no_key(arguments: list[str]) -> None:
    result = CliRunner().invoke(sandbox, arguments)
    assert result.exit_code == 2
    assert "kunci-rahasia" not in result.output
