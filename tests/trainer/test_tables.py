"""Laws: rows from a file are rows from the device; what is made ahead is what is made at once."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from trainer.data.ahead import made_ahead
from trainer.data.tables import Table, half
from trainer.errors import UnusableData


def test_rows_of_the_file_are_rows_of_the_device() -> None:
    values = np.random.default_rng(0).normal(size=(9, 2, 3)).astype(np.float16)
    filed, held = Table(values), Table(values)
    held.hold()
    rows = np.array([7, 0, 7])
    assert held.pick(rows).dtype == torch.int64  # where they lie, not the rows themselves
    read = [table.read(table.pick(rows)) for table in (filed, held)]
    assert torch.equal(*read) and read[0].dtype == torch.float32
    assert np.array_equal(read[0].numpy(), values[rows])


def test_numbers_beyond_half_precision_are_refused() -> None:
    with pytest.raises(UnusableData, match="65504"):
        half(torch.tensor([1.0, 1e6]))


def test_results_come_in_order_from_other_threads() -> None:
    here, seen = threading.get_ident(), []

    def square(number: int) -> int:
        seen.append(threading.get_ident())
        return number**2

    assert list(made_ahead(square, range(20), workers=3)) == [number**2 for number in range(20)]
    assert len(seen) == 20 and here not in seen


def test_an_error_comes_where_its_result_would_have() -> None:
    def inverse(number: int) -> float:
        return 1 / (3 - number)

    results = made_ahead(inverse, range(9))
    assert [next(results) for _ in range(3)] == [1 / 3, 1 / 2, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_no_more_is_made_ahead_than_is_asked_for_and_nothing_after_the_end() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = made_ahead(lambda number: number, items(), depth=2)
    assert next(results) == 0
    assert taken == [0, 1, 2]
    results.close()
    assert taken == [0, 1, 2]
    assert not any(thread.name.startswith("ahead") for thread in threading.enumerate())
