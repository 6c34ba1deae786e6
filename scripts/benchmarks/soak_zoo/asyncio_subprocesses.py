"""asyncio waits in epoll for several commands and their pipes."""

import asyncio


async def run(number: int) -> bytes:
    """Run one command and return what it says."""
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", f"sleep {number % 4}; cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate(b"x" * 200_000)
    return said


async def main() -> None:
    """Run several at once, then a thread of the default executor."""
    results = await asyncio.gather(*(run(number) for number in range(8)))
    assert all(len(result) == 200_000 for result in results)
    await asyncio.to_thread(sum, range(10_000_000))


asyncio.run(main())
