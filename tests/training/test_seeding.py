from dmtlib.training.seeding import derive_seed


def test_derived_seeds_differ_by_every_part_and_stay():
    places = [(0, "a", 1), (0, "a", 2), (0, "b", 1), (1, "a", 1), (0, "a", 1, 2), (0, "a", 12)]
    seeds = [derive_seed(*place) for place in places]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(0, "initialise", 1) == 8454674139733114080
