"""The estimate of what it costs."""

from tukur.gcp.declaration import Declaration, Group, Platform
from tukur.gcp.prices import estimate


def declared(region: str = "us-central1", machine: str = "e2-small", largest: int = 4) -> Declaration:
    group = Group(machine=machine, max=largest)
    return Declaration(
        project="my-project", region=region, zone=f"{region}-b", group=group, platform=Platform()
    )


def test_the_total_is_the_sum_with_the_fewest_and_with_the_most_machines() -> None:
    *lines, total = estimate(declared())
    assert total.smallest is not None
    assert total.largest is not None
    assert total.smallest == sum(line.smallest or 0 for line in lines)
    # Three more e2-small with 20 GB each, and their share of the NAT.
    assert round(total.largest - total.smallest, 2) == round(3 * (0.0168 * 730 + 2 + 0.0014 * 730), 2)


def test_a_region_has_its_own_prices_and_what_is_not_in_the_table_is_not_guessed() -> None:
    cheap, dear = (estimate(declared(region))[0].smallest for region in ("us-central1", "southamerica-east1"))
    assert cheap is not None
    assert dear is not None
    assert dear > 1.5 * cheap
    assert estimate(declared(machine="c4-standard-8"))[-1].smallest is None
    assert estimate(declared("mars-north1"))[0].smallest is None
