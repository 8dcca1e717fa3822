"""Clients that ask a running `halfmoon serve` one row at a time and keep their connections: how long answers take.

    python3 bench/serve.py http://127.0.0.1:8080/ --row '[0, "red"]' --clients 200 --seconds 30 --pid PID

Prints one line of JSON: requests, errors by kind, requests a second, p50/p95/p99/most in ms, and with --pid the server's
resident memory in MiB before, in the middle and after. Needs nothing but Python.
"""

import argparse
import asyncio
import collections
import json
import time
import urllib.parse


def resident(pid):
    """MiB that a process holds in memory; None where it is not known."""
    if pid is None:
        return None
    with open(f"/proc/{pid}/status") as status:
        pages = next(line for line in status if line.startswith("VmRSS:"))
    return round(int(pages.split()[1]) / 1024, 1)


async def answer(reader):
    """The status and the body of the next answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next(line for line in head.split("\r\n") if line.startswith("content-length:"))
    return int(head.split(" ", 2)[1]), await reader.readexactly(int(length.split(":")[1]))


async def client(at, request, until, times, errors):
    host, port = at
    reader = writer = None
    while time.monotonic() < until:
        start = time.monotonic()
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection(host, port)
            writer.write(request)
            await writer.drain()
            status, body = await asyncio.wait_for(answer(reader), 60)
            if status == 200 and len(json.loads(body)["answers"]) == 1:
                times.append(time.monotonic() - start)
            else:
                errors[str(status)] += 1
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
            errors[type(error).__name__] += 1
            writer = None
    if writer is not None:
        writer.close()


async def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("url")
    arguments.add_argument("--row", required=True, help="a row as JSON")
    arguments.add_argument("--clients", type=int, default=200)
    arguments.add_argument("--seconds", type=float, default=30)
    arguments.add_argument("--token")
    arguments.add_argument("--pid", type=int, help="the server's process, for its memory")
    given = arguments.parse_args()

    url = urllib.parse.urlsplit(given.url)
    body = json.dumps({"rows": [json.loads(given.row)]}).encode()
    head = f"POST /predict HTTP/1.1\r\nhost: {url.netloc}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    if given.token:
        head += f"authorization: Bearer {given.token}\r\n"
    request = head.encode() + b"\r\n" + body

    times, errors = [], collections.Counter()
    memory = [resident(given.pid)]
    start = time.monotonic()
    until = start + given.seconds
    at = (url.hostname, url.port or 80)
    clients = [client(at, request, until, times, errors) for _ in range(given.clients)]

    async def watch():
        await asyncio.sleep(given.seconds / 2)
        memory.append(resident(given.pid))

    await asyncio.gather(watch(), *clients)
    took = time.monotonic() - start
    memory.append(resident(given.pid))
    times.sort()
    at_share = lambda share: round(1000 * times[min(len(times) - 1, int(share * len(times)))], 1) if times else None
    print(json.dumps({
        "clients": given.clients, "seconds": round(took, 1), "answered": len(times), "errors": dict(errors),
        "per_second": round(len(times) / took), "p50_ms": at_share(0.5), "p95_ms": at_share(0.95), "p99_ms": at_share(0.99),
        "most_ms": at_share(1), "resident_mib": memory,
    }))


asyncio.run(main())
