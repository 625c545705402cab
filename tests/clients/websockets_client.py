#!/usr/bin/env python3
"""Drives a server with Python's `websockets`; the same scenarios as ws_client.mjs.

    websockets_client.py URL SCENARIO... [--option value]

URL is an echo route unless the scenario says otherwise. Each scenario uses its own connections and prints one JSON
line. Exit codes: 0 all passed, 1 one failed, 2 wrong use.
"""

import argparse
import asyncio
import base64
import json
import os
import sys
import time

from websockets.asyncio.client import ClientConnection, connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode

SIZES = [0, 1, 125, 126, 127, 65535, 65536]
TEXTS = ["hello", "", "zażółć gęślą jaźń", "𝄞 🦀 \u0000 \u2028", "x" * 1000]


class Failed(Exception):
    """The server did something else than the scenario asks for."""


class CountingConnection(ClientConnection):
    """Counts the pings that the server sends; the library answers them by itself."""

    pings = 0

    def process_event(self, event):
        if getattr(event, "opcode", None) is Opcode.PING:
            self.pings += 1
        super().process_event(event)


def check(condition, message):
    if not condition:
        raise Failed(message)


def open_connection(args, **options):
    # The deadline of a scenario covers everything, so the library's own pings and time-outs stay out of the way.
    options = {"ping_interval": None, "proxy": None, "max_size": 2**26, **options}
    if args.user and "additional_headers" not in options:
        options["additional_headers"] = basic(args.user, args.password)
    return connect(args.url, **options)


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


async def expect_echo(connection, message, sent=None):
    await connection.send(message if sent is None else sent)
    answer = await connection.recv()
    check(type(answer) is type(message), f"{type(message).__name__} came back as {type(answer).__name__}")
    check(answer == message, f"{len(message)} long message came back different, {len(answer)} long")


async def expect_refusal(args, status, **options):
    try:
        async with open_connection(args, **options):
            pass
    except InvalidStatus as error:
        response = error.response
        check(response.status_code == status, f"refused with {response.status_code}, expected {status}")
        return response
    raise Failed(f"accepted, expected {status}")


async def text_echo(args):
    """Text of all planes, an empty one too, comes back."""
    async with open_connection(args) as connection:
        for text in TEXTS:
            await expect_echo(connection, text)
    return {"messages": len(TEXTS)}


async def binary_echo(args):
    """Sizes at the borders of the length encodings come back, up to --max."""
    sizes = [size for size in SIZES if size <= args.max]
    async with open_connection(args) as connection:
        for size in sizes:
            await expect_echo(connection, os.urandom(size))
    return {"sizes": sizes}


async def fragments(args):
    """Messages in several frames come back whole, with a ping in between, a character cut in two, empty frames."""
    parts = [b"", b"one ", b"two ", "gę".encode()[:2], "gę".encode()[2:], b""]

    async with open_connection(args) as connection:
        pongs = []

        async def interrupted(pieces):
            for piece in pieces:
                yield piece
                pongs.append(await connection.ping())

        await expect_echo(connection, b"".join(parts), interrupted(parts))
        # The library cuts text between characters only; ws_client.mjs cuts inside one.
        await expect_echo(connection, "one two gę", interrupted(["", "one ", "two ", "gę", ""]))
        await asyncio.gather(*pongs)
    return {"pongs": len(pongs)}


async def ping_pong(args):
    """A ping is answered with its payload, empty to 125 bytes."""
    payloads = [b"", b"x", os.urandom(125)]
    async with open_connection(args) as connection:
        for payload in payloads:
            # Resolves only for a pong with this payload.
            await (await connection.ping(payload))
    return {"pings": len(payloads)}


async def close(args):
    """The server answers a close with the same code, and the same reason if it gives one."""
    async with open_connection(args) as connection:
        await expect_echo(connection, "before the close")
        await connection.close(args.code, args.reason)
        received = connection.protocol.close_rcvd
    check(received is not None, "the connection ended without a close frame from the server")
    check(received.code == args.code, f"the server answered code {received.code}, sent {args.code}")
    check(received.reason in ("", args.reason), f"the server answered another reason: {received.reason!r}")
    return {"code": received.code, "reason": received.reason}


async def subprotocol(args):
    """Of the subprotocols in --offer, the server selects --expect (empty: none)."""
    offer = [name for name in args.offer.split(",") if name]
    async with open_connection(args, subprotocols=offer or None) as connection:
        selected = connection.subprotocol or ""
        check(selected == args.expect, f"selected {selected!r}, expected {args.expect!r}")
        await expect_echo(connection, "agreed")
    return {"selected": selected}


async def auth_accepted(args):
    """--user with --password gets in."""
    check(args.user, "needs --user and --password")
    async with open_connection(args) as connection:
        await expect_echo(connection, "let in")


async def auth_refused(args):
    """No credentials, a wrong or empty password, an unknown user: 401 with a Basic challenge, credentials all alike."""
    check(args.user, "needs --user and --password, which are right")
    attempts = {
        "none": {},
        "wrong password": basic(args.user, args.password + "x"),
        "empty password": basic(args.user, ""),
        "unknown user": basic(args.user + "x", args.password),
    }
    answers = set()
    for attempt, headers in attempts.items():
        response = await expect_refusal(args, 401, additional_headers=headers)
        challenge = response.headers.get("WWW-Authenticate", "")
        check(challenge.startswith("Basic realm="), f"{attempt}: WWW-Authenticate is {challenge!r}")
        if attempt != "none":
            answers.add((challenge, bytes(response.body)))
    check(len(answers) == 1, f"the refusals differ, which tells users from strangers: {answers}")
    return {"challenge": challenge}


async def refused(args):
    """The server answers --status instead of upgrading; with --origin as Origin header."""
    options = {"origin": args.origin} if args.origin else {}
    response = await expect_refusal(args, args.status, **options)
    return {"status": response.status_code}


async def oversize(args):
    """One byte more than --max closes with 1009, text as well as binary."""
    for message in (b"x" * (args.max + 1), "x" * (args.max + 1)):
        # Not as a context: its exit trips over a connection that went away while a message was still being sent.
        connection = await open_connection(args)
        try:
            await connection.send(message)
            answer = await connection.recv()
        except ConnectionClosed as error:
            check(error.rcvd is not None, "the connection ended without a close frame from the server")
            check(error.rcvd.code == 1009, f"closed with {error.rcvd.code}, expected 1009")
        else:
            raise Failed(f"answered {len(answer)} to a message of {args.max + 1}")
    return {"sent": args.max + 1}


async def idle(args):
    """A silent client gets at least --pings pings within --idle seconds and is still connected afterwards."""
    async with open_connection(args, create_connection=CountingConnection) as connection:
        try:
            answer = await asyncio.wait_for(connection.recv(), args.idle)
        except asyncio.TimeoutError:
            pass
        else:
            raise Failed(f"a message came by itself: {answer!r}")
        check(connection.pings >= args.pings, f"{connection.pings} pings came, expected {args.pings}")
        await expect_echo(connection, "still here")
    return {"pings": connection.pings}


async def compressed(args):
    """Similar messages of many sizes come back, compressed as --deflate asks and --agreed says."""
    asked = [parameter.partition("=") for parameter in args.deflate.split(",") if parameter]
    # A context that may be taken over is the default of the library, too.
    parameters = {name: int(value) if value else True for name, _, value in asked}
    extension = ClientPerMessageDeflateFactory(**parameters)
    async with open_connection(args, compression=None, extensions=[extension]) as connection:
        agreed = connection.response.headers.get("Sec-WebSocket-Extensions", "")
        check(agreed == args.agreed, f"agreed on {agreed!r}, expected {args.agreed!r}")
        messages = list(similar())
        for message in messages:
            await expect_echo(connection, message)
            cut = len(message) // 3
            await expect_echo(connection, message, (part for part in (message[:cut], message[cut:], message[:0])))
        await asyncio.gather(*(connection.send(message) for message in messages))
        for message in messages:
            check(await connection.recv() == message, f"{len(message)} long message came back different")
    return {"messages": 3 * len(messages), "bytes": 3 * sum(len(message) for message in messages)}


def similar():
    """Text and bytes, of which much repeats, and some that nothing makes smaller."""
    for turn in range(40):
        records = [{"id": turn + i, "name": f"user {i * 7919 % 101}", "says": "zażółć"} for i in range(turn * turn // 8)]
        yield json.dumps(records, ensure_ascii=False)
        yield json.dumps(records).encode()
        yield os.urandom(turn * 100)


async def many(args):
    """--connections are open at once and each gets its own messages back."""
    connections = await asyncio.gather(*(open_connection(args) for _ in range(args.connections)))

    async def talk(number, connection):
        for turn in range(10):
            await expect_echo(connection, f"connection {number}, message {turn}")
        await connection.close()

    await asyncio.gather(*(talk(number, connection) for number, connection in enumerate(connections)))
    return {"connections": len(connections)}


SCENARIOS = {
    function.__name__.replace("_", "-"): function
    for function in (
        text_echo,
        binary_echo,
        fragments,
        ping_pong,
        close,
        subprotocol,
        auth_accepted,
        auth_refused,
        refused,
        oversize,
        idle,
        compressed,
        many,
    )
}


async def run(name, args):
    """Runs one scenario, prints its line, returns whether it passed."""
    begin = time.monotonic()
    line = {"client": "websockets", "scenario": name, "ok": False}
    try:
        line |= await asyncio.wait_for(SCENARIOS[name](args), args.timeout) or {}
        line["ok"] = True
    except asyncio.TimeoutError:
        line["error"] = f"not done within {args.timeout} s"
    except Exception as error:  # whatever the library raises is the outcome of the scenario
        line["error"] = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
    line["ms"] = round((time.monotonic() - begin) * 1000)
    print(json.dumps(line, ensure_ascii=False), flush=True)
    if not line["ok"]:
        print(f"{name}: {line['error']}", file=sys.stderr)
    return line["ok"]


def main():
    names = "\n".join(f"  {name:14} {function.__doc__}" for name, function in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f"scenarios:\n{names}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", metavar="URL")
    parser.add_argument("scenarios", metavar="SCENARIO", nargs="+", choices=list(SCENARIOS))
    parser.add_argument("--max", type=int, default=65536, help="the route's max_message_size in bytes")
    parser.add_argument("--code", type=int, default=4001)
    parser.add_argument("--reason", default="see you later")
    parser.add_argument("--offer", default="chat.v2,chat.v1", help="subprotocols, by comma, preferred first")
    parser.add_argument("--expect", default="", help="the subprotocol that must be selected")
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("--origin", default="")
    parser.add_argument("--status", type=int, default=403)
    parser.add_argument("--idle", type=float, default=5, help="seconds, longer than interval plus pong time-out")
    parser.add_argument("--pings", type=int, default=2, help="pings that must come while idle")
    parser.add_argument("--deflate", default="", help="what to ask of compression, such as server_max_window_bits=10")
    parser.add_argument("--agreed", default="", help="what the server must answer to it")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--timeout", type=float, default=30, help="seconds for each scenario")
    args = parser.parse_intermixed_args()

    async def everything():
        return all([await run(name, args) for name in args.scenarios])

    return 0 if asyncio.run(everything()) else 1


if __name__ == "__main__":
    sys.exit(main())
