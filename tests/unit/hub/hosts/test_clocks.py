"""Whose clock is wrong, by how much, and what becomes of times that were taken with it."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.record import BOOT, Machine
from tukur.hub.hosts.clocks import WRONG_NS, HostClock, shifted
from tukur.protocol.messages import Gap

SECOND = 10**9
MINUTE = 60 * SECOND
HERE = 1_700_000_000 * SECOND
UP = 5000 * SECOND
OTHER_BOOT = "00000000-0000-0000-0000-00000000000b"


class Told:
    """A host whose clock is ahead by `ahead_ns`, and tells it each second."""

    def __init__(self) -> None:
        self.clock = HostClock()
        self.here = HERE
        self.up = UP

    def tell(self, ahead_ns: int, times: int = 3, delay_ns: int = 20_000_000) -> None:
        for _ in range(times):
            self.clock.measure(BOOT, self.here + ahead_ns, self.up, self.here + delay_ns)
            self.here += SECOND
            self.up += SECOND

    def shift(self, ahead_ns: int, ago_s: int, boot_id: str = BOOT) -> int:
        """Of a block that was taken so long ago, when the clock was ahead by so much."""
        ago = ago_s * SECOND
        return self.clock.shift_of(boot_id, self.here + ahead_ns - ago, self.up - ago)


def test_a_clock_that_is_off_by_little_is_left_alone() -> None:
    host = Told()
    host.tell(300_000_000)
    assert host.shift(300_000_000, 5) == 0
    assert host.clock.shift_ns == 0


def test_times_of_a_wrong_clock_are_put_right() -> None:
    for ahead in (5 * MINUTE, -5 * MINUTE):
        host = Told()
        host.tell(ahead)
        assert abs(host.shift(ahead, 5) + ahead) <= 21_000_000
        assert host.shift(ahead, 5) % 1_000_000 == 0


def test_the_quickest_message_tells_the_offset() -> None:
    host = Told()
    host.tell(MINUTE, delay_ns=3 * SECOND)
    host.tell(MINUTE, 1, delay_ns=0)
    host.tell(MINUTE, delay_ns=3 * SECOND)
    assert host.clock.offset_ns == MINUTE


def test_a_clock_that_drifts_back_is_followed() -> None:
    host = Told()
    host.tell(MINUTE, 10)
    # Slewed, not set: wall clock and boot clock keep their distance, so that this is our clock that moves.
    for _ in range(300):
        host.here += 100_000_000
        host.tell(MINUTE - (host.here - HERE - (host.up - UP)), 1)
    assert abs((host.clock.offset_ns or 0) - 30 * SECOND) < 13 * SECOND


def test_a_clock_near_the_limit_is_not_corrected_now_and_then() -> None:
    host = Told()
    host.tell(WRONG_NS + 30_000_000)
    assert host.clock.shift_ns != 0
    host.tell(WRONG_NS - 30_000_000, 200)
    assert host.clock.shift_ns != 0
    host.tell(0, 200)
    assert host.clock.shift_ns == 0


def test_what_was_taken_before_the_clock_was_set_is_put_right_by_what_it_was_then() -> None:
    host = Told()
    host.tell(7 * MINUTE)
    host.tell(0, 10)
    assert abs(host.shift(7 * MINUTE, 11) + 7 * MINUTE) <= 21_000_000
    assert host.shift(0, 5) == 0


def test_what_was_taken_before_the_clock_was_set_while_nobody_listened_goes_by_the_boot_clock() -> None:
    host = Told()
    host.tell(0)
    assert abs(host.shift(-40 * MINUTE, 3600) - 40 * MINUTE) <= 1_000_000


def test_of_a_boot_that_never_told_its_clocks_the_times_stay() -> None:
    host = Told()
    host.tell(MINUTE)
    assert host.shift(MINUTE, 5, OTHER_BOOT) == 0


@given(st.lists(st.tuples(st.integers(-3600, 3600), st.integers(3, 40)), min_size=1, max_size=6))
def test_samples_keep_their_order_and_distance_however_the_clock_is_set(
    stretches: list[tuple[int, int]],
) -> None:
    host = Told()
    taken: list[tuple[int, int, int]] = []
    for ahead_s, seconds in stretches:
        for _ in range(seconds):
            taken.append((host.here, host.here + ahead_s * SECOND, host.up))
            host.tell(ahead_s * SECOND, 1)
    for here, wall, up in taken:
        assert abs(wall + host.clock.shift_of(BOOT, wall, up) - here) <= WRONG_NS


def test_all_wall_times_of_a_block_move_and_no_other() -> None:
    machine = Machine()
    machine.start(1, "init")
    machine.sample()
    machine.flash(77, "cc1")
    block = machine.block(2)
    moved = shifted(block, -MINUTE)
    assert moved.first_ns == block.first_ns
    assert moved.first_wall_ns == block.first_wall_ns - MINUTE
    assert [one.since_wall_ns for one in moved.images] == [  # type: ignore[union-attr]
        one.since_wall_ns - MINUTE for one in block.images
    ]
    assert moved.ended[0].last_wall_ns == block.ended[0].last_wall_ns - MINUTE  # type: ignore[union-attr]
    assert (moved.tasks, moved.host) == (block.tasks, block.host)  # type: ignore[union-attr]


def test_no_time_moves_before_the_epoch() -> None:
    gap = Gap(
        boot_id=BOOT, first_ns=1, last_ns=2, first_wall_ns=5, last_wall_ns=6, blocks=1, samples=1, reason="x"
    )
    assert shifted(gap, -MINUTE).first_wall_ns == 0
