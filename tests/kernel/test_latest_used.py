from postavka.kernel.latest_used import LatestUsed


def test_what_was_used_longest_ago_makes_room():
    kept = LatestUsed[str, int](3)
    kept.keep({"a": 1, "b": 2, "c": 3})
    kept.keep({"a": 4})
    kept.move_to_end("b")
    kept.keep({"d": 5})
    assert dict(kept) == {"a": 4, "b": 2, "d": 5}


def test_of_more_than_it_holds_the_last_are_kept():
    kept = LatestUsed[int, int](2)
    kept.keep({number: number for number in range(5)})
    assert list(kept) == [3, 4]
