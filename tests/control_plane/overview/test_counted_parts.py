"""What is read of counted entries where there are many places: the busiest, and a list of all."""

from __future__ import annotations

from fedsov.control_plane.overview import counted_parts
from fedsov.control_plane.overview.counted_parts import MANY_PLACES
from tests.control_plane.pages.overview_world import crossing, entries, refusal


def test_the_matrix_has_the_busiest_places_and_says_how_many_routes_it_leaves_out(database):
    names = [f"R{number:02d}" for number in range(MANY_PLACES + 3)]
    quiet = [crossing("hub", name, origins=(name,)) for name in names[:3]]
    busy = [crossing("hub", name, origins=(name,)) for name in names[3:] for _ in range(2)]
    entries(database, "hub", [*quiet, *busy])
    with database.reading() as connection:
        matrix = counted_parts.crossings(connection)
    assert matrix.origins == matrix.destinations == tuple(names[3:])
    assert (len(matrix.routes), matrix.hidden) == (MANY_PLACES, 3)
    assert matrix.total.total == len(quiet) + len(busy)


def test_the_list_of_all_routes_has_refusals_first_then_the_busiest(database):
    many = [crossing("hub", "DE", origins=("US",))] * 3
    entries(database, "hub", [*many, crossing("hub", "US", origins=("DE",)), refusal("hub", "IN")])
    with database.reading() as connection:
        routes = counted_parts.all_routes(connection)
    assert [(route.origin, route.destination) for route in routes] == [("GB", "IN"), ("US", "DE"), ("DE", "US")]


def test_public_values_stand_below_those_of_places(database):
    entries(database, "hub", [crossing("hub", "US", origins=(), categories=[])] * 5 + [crossing("hub", "DE")])
    with database.reading() as connection:
        assert counted_parts.crossings(connection).origins == ("DE", "public")
