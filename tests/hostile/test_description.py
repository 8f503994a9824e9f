"""What binds a region's rows, and whose they are, is the region's own: no job makes a stored row less bound."""

from __future__ import annotations

import shlex
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsov.label import Scope
from fedsov.ledger.ledger import Ledger
from fedsov.model.targets import TargetRule
from fedsov.protocol.job import Asked
from fedsov.region.worker import ClosedRegion, OpenRegion, open_region
from tests.hostile.people_region import PeopleRegion, drawn
from tests.world import answered, called

STATISTICS = "query.statistics"
HOME = "dataset.restrictions=[{column: ward, equals: B, restriction: home}]"
MORE = HOME.replace("]", ", {column: ward, equals: A, restriction: home}]")


@pytest.fixture(scope="module")
def answered_once(tmp_path_factory: pytest.TempPathFactory) -> PeopleRegion:
    """A region of 60 people whose rows of ward B stay at home; it answered about the others once."""
    region = PeopleRegion(tmp_path_factory.mktemp("described"))
    region.ingest(drawn(range(60)), HOME)
    assert "statistics" in _statistics(region)
    return region


@pytest.fixture
def region(answered_once: PeopleRegion, tmp_path: Path) -> PeopleRegion:
    """The same in a workspace that a test may change."""
    return answered_once.copied(tmp_path / "copy")


def _statistics(region: PeopleRegion, *more: str) -> dict[str, Any]:
    return region.asked(STATISTICS, HOME, *more, scope="shareable")


def _refused(region: PeopleRegion, *more: str, command: str = "ingest") -> str:
    """What a command that the region refuses says."""
    done = called(command, *region.words(*more), "--quiet")
    assert done.returncode == 9, done.stderr
    return done.stderr


def _refused_jobs(region: PeopleRegion) -> int:
    with closing(Ledger.read(region.folder / "ledger.sqlite")) as ledger:
        return sum("refused_job" in entry.body.get("note", {}) for entry in ledger.entries())


def _restricted(region: PeopleRegion, name: str = "people") -> tuple[np.ndarray, list[str]]:
    """(N,) which stored rows are not to be shared, and the people by their pseudonyms: only the owner can look."""
    opened = region.opened(HOME, name=name)
    try:
        session = opened.outbound.session
        return ~session.mask(Scope.SHAREABLE), sorted(session.records.subjects.tolist())
    finally:
        opened.close()


@pytest.mark.parametrize(
    "rules",
    [pytest.param("dataset.restrictions=[]", id="fewer"), pytest.param(MORE, id="more", marks=pytest.mark.long)],
)
def test_restrictions_that_alternate_around_two_answers_read_nobody(region: PeopleRegion, rules: str) -> None:
    before, (bound, people) = _statistics(region), _restricted(region)
    assert 0 < bound.sum() < 60
    for command in ("ingest", "plan", "train"):
        said = _refused(region, rules, command=command)
        assert "dataset.restrictions" in said and "fedsov region set DE 'datasets.people.restrictions=[" in said
    assert _statistics(region, rules) == before
    after, same = _restricted(region)
    assert np.array_equal(after, bound) and same == people
    assert _refused_jobs(region) == 3


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("dataset.subject=null", "datasets.people.subject=null"),
        ("dataset.subject=ward", "datasets.people.subject=ward"),
        ("dataset.default_categories=[]", "datasets.people.default_categories=[]"),
        ("dataset.drop=[income]", "datasets.people.drop=[income]"),
        ("dataset.kinds={income: drop}", "datasets.people.kinds={income: drop}"),
        ("dataset.aliases={Austria: DE}", "datasets.people.aliases={Austria: DE}"),
        ("dataset.target=income dataset.target_above_region_median=true", "datasets.people.target=income"),
        ("dataset.target_positive=0", 'datasets.people.target_positive="0"'),
    ],
)
def test_another_subject_category_column_or_target_of_the_same_rows_is_refused(
    region: PeopleRegion, change: str, key: str
) -> None:
    manifest = (region.folder / "store" / "people" / "manifest.json").read_bytes()
    said = _refused(region, HOME, *shlex.split(change) if change.count("=") > 1 else (change,))
    assert key in shlex.split(said.split("`")[1])
    assert (region.folder / "store" / "people" / "manifest.json").read_bytes() == manifest


@pytest.mark.parametrize(
    "description",
    [{"restrictions": []}, {"subject": None}, {"drop": ["ward"]}],
    ids=["restrictions", "subject", "drop"],
)
def test_a_region_s_worker_refuses_another_description_and_records_it(
    region: PeopleRegion, description: dict[str, Any]
) -> None:
    refused = open_region(replace(region.start(HOME), asked=Asked(description=description)))
    assert isinstance(refused, ClosedRegion) and "under another description" in refused.failure
    assert _refused_jobs(region) == 1


def test_a_job_that_learns_another_target_is_refused_whatever_it_says_of_the_rows(region: PeopleRegion) -> None:
    start = region.start(HOME)
    honest = Asked(description={"target": "ill"})
    for asked in (Asked(), honest):
        for rule in (TargetRule("ill", positive="0"), TargetRule("income", above_region_median=True)):
            refused = open_region(replace(start, asked=asked, job=replace(start.job, target=rule)))
            assert isinstance(refused, ClosedRegion) and "dataset.target" in refused.failure
    taken = open_region(replace(start, asked=honest))
    assert isinstance(taken, OpenRegion)
    taken.close()


@pytest.mark.long
def test_rows_sorted_by_another_description_are_not_trained_on_until_they_are_ingested_again(
    region: PeopleRegion,
) -> None:
    place, rule = f"workspace={region.place / 'w'}", HOME.partition("=")[2]
    both = MORE.partition("=")[2]
    done = called("region", "set", "DE", f"datasets.people.restrictions={both}", "--yes", place)
    assert (
        done.returncode == 0 and "DE: datasets.people: the stored rows of people were sorted by another" in done.stdout
    )
    assert "DE: datasets.people: the stored rows" in called("region", "check", "DE", place).stdout
    for asked in (Asked(), Asked(description={})):
        refused = open_region(replace(region.start(HOME), asked=asked))
        assert isinstance(refused, ClosedRegion) and "ingest them again" in refused.failure
    assert f"datasets.people.restrictions={rule}" in shlex.split(_refused(region, HOME).split("`")[1])
    region.ingest(drawn(range(60)), MORE)
    assert _restricted(region)[0].all()
    assert "ingest" not in called("region", "check", "DE", place).stdout


@pytest.mark.long
def test_the_same_rows_under_another_name_are_bound_alike_and_other_people_s_are_not(region: PeopleRegion) -> None:
    said = _refused(region, "dataset.name=cohort")
    assert "holds rows of cohort as rows of people too" in said and "dataset.restrictions" in said
    assert shlex.split(said.split("`")[3])[4] == "datasets.people.restrictions=[]"
    assert not (region.folder / "store" / "cohort").exists()
    region.ingest(drawn(range(100, 160)), name="cohort")
    rows = ",".join(("country", "person", "income", "ward", "ill"))
    lines = [",".join(map(str, ("DE", *row))) for row in drawn(range(60))]
    (region.place / "people.csv").write_text("\n".join([rows, *lines]) + "\n")
    assert "as rows of people too" in _refused(region, "dataset.name=cohort"), "nor at a later ingestion"
    _take(region, _refused(region, HOME, "dataset.name=copy"))
    region.ingest(drawn(range(60)), HOME, name="copy")
    assert _restricted(region, name="copy")[0].sum() == _restricted(region)[0].sum()


def _take(region: PeopleRegion, said: str) -> None:
    """Runs the command that a refusal names, as the owner."""
    command = shlex.split(next(part for part in said.split("`") if part.startswith("fedsov region set")))
    done = called(*command[1:], "--yes")
    assert done.returncode == 0, done.stderr


def _with_a_constant(region: PeopleRegion, age: float = 0.0) -> None:
    """The file with a column more, and the first person's income higher by so much."""
    lines = [
        f"DE,{name},{income + (age if name == 'p0' else 0)},{ward},{ill},1"
        for name, income, ward, ill in drawn(range(60))
    ]
    (region.place / "people.csv").write_text("\n".join(["country,person,income,ward,ill,dummy", *lines]) + "\n")


@pytest.mark.parametrize(
    "words",
    [
        ("dataset.bounds={income: [0, 5500]}",),
        ("dataset.subject=null", "dataset.drop=[person]"),
        ("dataset.subject=null", "dataset.drop=[person, dummy]"),
        ("dataset.drop=[ward, dummy]",),
    ],
    ids=["other bounds", "a division anew", "and another column", "a correction and a column less"],
)
def test_people_under_another_name_are_refused_until_their_owner_describes_them_there(
    region: PeopleRegion, words: tuple[str, ...]
) -> None:
    if "dummy" in words[-1]:
        _with_a_constant(region, age=10.0)
    said = _refused(region, HOME, "dataset.name=anew", *words)
    assert "as rows of people too" in said and not (region.folder / "store" / "anew").exists()
    assert "datasets.anew.same_people=[people]" in said


UNNAMED = ("dataset.subject=null", "dataset.drop=[person]")


@pytest.mark.parametrize("mark", ["dataset.csv.thousands=.", "dataset.csv.null=[A]"])
def test_people_whom_nobody_names_are_no_others_because_a_job_reads_their_file_otherwise(
    region: PeopleRegion, mark: str
) -> None:
    """Rows that are read with other marks may have other values; the people would be divided anew."""
    words = (HOME, *UNNAMED, mark, *(("dataset.csv.decimal=','",) if "thousands" in mark else ()))
    said = _refused(region, "dataset.name=anew", *words)
    assert "rows of people" in said and "datasets.anew.same_people=[people]" in said
    assert not (region.folder / "store" / "anew").exists()


@pytest.mark.long
def test_people_whom_nobody_names_in_a_file_with_rounded_numbers_are_for_the_owner_to_tell(
    region: PeopleRegion,
) -> None:
    rows = [f"DE,{name},{round(income / 50) * 50},{ward},{ill},1" for name, income, ward, ill in drawn(range(60))]
    (region.place / "people.csv").write_text("\n".join(["country,person,income,ward,ill,dummy", *rows]) + "\n")
    said = _refused(region, HOME, "dataset.name=anew", "dataset.subject=null", "dataset.drop=[person, dummy]")
    assert "nothing tells whether" in said and "datasets.anew.same_people=[]" in said
    _take(region, said)
    answered(called("ingest", *region.words(HOME, *UNNAMED, "dataset.drop=[person, dummy]", name="anew"), "--json"))


@pytest.mark.long
def test_a_division_anew_that_the_owner_described_has_no_second_answer(region: PeopleRegion) -> None:
    words = (HOME, "dataset.subject=null", "dataset.drop=[person]")
    _take(region, _refused(region, "dataset.name=anew", *words))
    region.ingest(drawn(range(60)), *words, name="anew")
    told = region.asked(STATISTICS, *words, name="anew", scope="shareable")
    assert told["error"].startswith("AnswerWithheld")


def test_rows_that_are_held_as_people_s_are_no_examples_under_another_name(region: PeopleRegion) -> None:
    region.set("datasets.sample.document=made up", "datasets.sample.examples=true")
    said = _refused(region, HOME, "dataset.name=sample", "dataset.examples=made up")
    assert "datasets.sample.same_people=[people]" in said


def test_a_store_without_a_description_is_not_trained_on(region: PeopleRegion) -> None:
    """As versions of before wrote it: it cannot be told by what its rows were sorted."""
    from fedsov.keys import open_keys
    from fedsov.keys.protocol import KeySettings
    from fedsov.partition.manifest import MANIFEST, read_manifest, sealing

    store = region.folder / "store" / "people"
    bare = replace(read_manifest(store), description="")
    bare = replace(bare, seal=sealing(open_keys(KeySettings("DE", region.folder)), bare))
    (store / MANIFEST).write_text(bare.to_json())
    refused = open_region(region.start(HOME))
    assert isinstance(refused, ClosedRegion) and "ingest them again" in refused.failure
    region.ingest(drawn(range(60)), HOME)
    assert "statistics" in _statistics(region)
