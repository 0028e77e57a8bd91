from fenxiao.catalogue.stock import spread, take


def quantities(*counts: int) -> dict[int, int]:
    return dict(enumerate(counts))


def test_stock_is_spread_evenly() -> None:
    assert [portion.quantity for portion in spread("P1-1", 10, 4)] == [3, 3, 2, 2]
    assert [portion.quantity for portion in spread("P1-1", 0, 3)] == [0, 0, 0]


def test_the_fullest_shards_are_taken_from_first_so_that_few_are_touched() -> None:
    portions = take("P1-1", 7, quantities(1, 5, 0, 3))

    assert portions
    assert [(portion.shard, portion.quantity) for portion in portions] == [(1, 5), (3, 2)]


def test_what_is_short_is_not_taken_at_all() -> None:
    assert take("P1-1", 10, quantities(1, 5, 3)) is None
    assert take("P1-1", 1, {}) is None


def test_the_last_piece_can_be_taken() -> None:
    portions = take("P1-1", 9, quantities(1, 5, 3))

    assert portions
    assert sum(portion.quantity for portion in portions) == 9
