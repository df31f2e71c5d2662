"""The body of an endpoint's answer, read as far as it may go."""

from __future__ import annotations

import aiohttp


class TooLong(Exception):
    """A body has more bytes than are read. `begun` is what was read."""

    def __init__(self, begun: bytes | bytearray = b"") -> None:
        super().__init__("the body is too long")
        self.begun = begun


async def read_beginning(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The first `limit` bytes of a body."""
    try:
        return bytes(await read(response, limit, early=False))
    except TooLong as e:
        return bytes(e.begun[:limit])


async def read(
    response: aiohttp.ClientResponse, limit: int, *, early: bool = True
) -> bytes | bytearray:
    """The body; raises TooLong, leaving the rest unread, when it has more than `limit` bytes, and
    `early` when it says so itself."""
    if early and (response.content_length or 0) > limit:
        response.close()
        raise TooLong
    content = await response.content.readany()
    if response.content.at_eof():
        if len(content) > limit:
            raise TooLong(content)
        return content
    whole = bytearray(content)
    while len(whole) <= limit:
        part = await response.content.readany()
        if not part:
            return whole
        whole += part
    response.close()
    raise TooLong(whole)
