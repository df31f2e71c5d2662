"""Names that were seen, on disk."""

from __future__ import annotations

import sqlite3
import weakref

CACHE_KIB = 4096


class Names:
    """A set of names in a database of its own, which goes with it, so that it takes hardly any
    memory however many names there are."""

    def __init__(self) -> None:
        # To SQLite no name is a file of its own that it deletes, in the folder for temporary files.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE_KIB}"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute("CREATE TABLE names (name BLOB PRIMARY KEY) WITHOUT ROWID")
        self._database.execute("BEGIN")
        self._size = 0
        weakref.finalize(self, self._database.close)

    def __len__(self) -> int:
        return self._size

    def add(self, name: str) -> bool:
        """Answers whether the name is new."""
        key = name.encode(errors="surrogatepass")
        added = self._database.execute("INSERT OR IGNORE INTO names VALUES (?)", (key,)).rowcount
        self._size += added
        return added == 1
