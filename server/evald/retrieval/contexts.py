"""Collections whose rows are questions that come with their contexts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b

from evald.retrieval.collection import Collection, Dataset, Files, Part, Query, Row
from evald.retrieval.names import Names
from evald.vectors import Passage


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the contexts that answer it, and a right answer if there is one. `id` is empty
    where the data name none."""

    id: str
    question: str
    contexts: Sequence[str]
    reference: str = ""


class Contexts(Collection):
    """The documents are the contexts of all rows, each once, and a question's own contexts are
    what is relevant for it.

    `read` makes a question of a row, and raises EvaluationError of kind `dataset`; `unfold` gives
    the rows that one of the data set stands for.
    """

    def __init__(
        self,
        files: Files,
        dataset: Dataset,
        read: Callable[[Row], Asked],
        unfold: Callable[[Row], Iterable[Row]],
    ) -> None:
        super().__init__(files, {k: v for k, v in dataset.items() if k != "limit"})
        self.limit = dataset.get("limit")
        self._read = read
        self._unfold = unfold

    def parts(self) -> Sequence[Part]:
        return (Part(self._dataset, partial(self._check, Names()), self._unfold),)

    def _check(self, seen: Names, row: Row) -> None:
        for context in self._read(row).contexts:
            self._size += seen.add(name_of(context))

    def _asked(self) -> Iterator[Asked]:
        for given in self._files.rows(self._dataset):
            yield from map(self._read, self._unfold(given))

    def _documents(self) -> Iterator[Passage]:
        seen = Names()
        for asked in self._asked():
            for context in asked.contexts:
                if seen.add(name := name_of(context)):
                    yield Passage(name, context)

    def _queries(self) -> Iterator[Query]:
        for number, asked in enumerate(self._asked(), 1):
            relevant = {name_of(context): 1 for context in asked.contexts}
            yield Query(asked.id or str(number), asked.question, relevant, asked.reference)


def name_of(context: str) -> str:
    """What a text is called that has no name: 64 bits of its hash."""
    return blake2b(context.encode(errors="surrogatepass"), digest_size=8).hexdigest()
