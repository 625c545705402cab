#!/usr/bin/env python3
"""Many clients of the counter, each of which sees every number exactly once, in order, and no close.

    count.py [URL] [--clients 1000] [--every 0.5] [--seconds S]

Each client sends a message every so many seconds and waits for the answer, VERSION COUNT. Every second a line says which versions
answered. Ends after S seconds, or with Ctrl-C. Exit codes: 0 no client saw a gap, 1 one did. Needs `websockets`.
"""

import argparse
import asyncio
import collections
import random
import signal
import sys

from websockets.asyncio.client import connect


class Total:
    """What all clients saw."""

    def __init__(self):
        self.open = self.answers = 0
        self.versions = collections.Counter()
        self.gaps = []
        self.stop = asyncio.Event()


async def count(args, number, opening, total):
    try:
        async with opening:
            client = await connect(args.url, ping_interval=None, proxy=None, open_timeout=60)
        total.open += 1
        # All together once, and then apart.
        await asyncio.sleep(random.uniform(0, args.every))
        asked = 0
        while not total.stop.is_set():
            asked += 1
            await client.send("next")
            answer = await asyncio.wait_for(client.recv(), 60)
            version, found = answer.split()
            if int(found) != asked:
                raise ValueError(f"{answer!r} where {asked} comes next")
            total.answers += 1
            total.versions[version] += 1
            await asyncio.sleep(args.every)
        await client.close()
    except Exception as error:  # a close as well as a wrong number
        total.gaps.append(f"client {number}: {type(error).__name__}: {error}")


async def report(total):
    while True:
        await asyncio.sleep(1)
        versions = ", ".join(f"{version} {total.versions[version]}" for version in sorted(total.versions))
        total.versions.clear()
        print(f"{total.open} clients, {total.answers} answers, {len(total.gaps)} gaps; this second: {versions}", flush=True)


async def main(args):
    total, opening = Total(), asyncio.Semaphore(50)
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, total.stop.set)
    if args.seconds:
        asyncio.get_running_loop().call_later(args.seconds, total.stop.set)
    reporting = asyncio.create_task(report(total))
    await asyncio.gather(*(count(args, number, opening, total) for number in range(args.clients)))
    reporting.cancel()
    for gap in total.gaps[:10]:
        print(gap, file=sys.stderr)
    print(f"{total.open} of {args.clients} clients, {total.answers} answers, {len(total.gaps)} gaps")
    return 1 if total.gaps or total.open < args.clients else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?", default="ws://127.0.0.1:8080/count")
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--every", type=float, default=0.5, help="seconds between two messages of a client")
    parser.add_argument("--seconds", type=float, default=0, help="how long; 0: until Ctrl-C")
    sys.exit(asyncio.run(main(parser.parse_args())))
