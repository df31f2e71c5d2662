"""The body of an endpoint's answer, read as far as it may go."""

from __future__ import annotations

import aiohttp


class TooLong(Exception):
    """A body has more bytes than are read."""


async def read(response: aiohttp.ClientResponse, limit: int) -> bytes | bytearray:
    """The body; raises TooLong, leaving the rest unread, when it has more than `limit` bytes."""
    if (response.content_length or 0) > limit:
        response.close()
        raise TooLong
    content = await response.content.readany()
    if response.content.at_eof():
        if len(content) > limit:
            raise TooLong
        return content
    whole = bytearray(content)
    while len(whole) <= limit:
        part = await response.content.readany()
        if not part:
            return whole
        whole += part
    response.close()
    raise TooLong
