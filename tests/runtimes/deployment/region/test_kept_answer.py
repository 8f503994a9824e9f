"""The last answer of a run, kept for its question and no other."""

import stat

from fedsov.runtimes.deployment.region import kept_answer


def test_an_answer_is_given_again_to_its_question_alone(tmp_path):
    place = tmp_path / "run"
    kept_answer.keep(place, "question-1", b"answer\nwith lines")
    assert kept_answer.read(place, "question-1") == b"answer\nwith lines"
    assert kept_answer.read(place, "question-2") is None


def test_the_next_answer_takes_its_place(tmp_path):
    kept_answer.keep(tmp_path, "first", b"1")
    kept_answer.keep(tmp_path, "second", b"2")
    assert kept_answer.read(tmp_path, "first") is None
    assert kept_answer.read(tmp_path, "second") == b"2"
    assert [path.name for path in tmp_path.iterdir()] == [kept_answer.FILE]


def test_it_is_readable_by_its_owner_alone(tmp_path):
    kept_answer.keep(tmp_path, "first", b"1")
    assert stat.S_IMODE((tmp_path / kept_answer.FILE).stat().st_mode) == 0o600


def test_none_is_kept_before_the_first(tmp_path):
    assert kept_answer.read(tmp_path / "nowhere", "question") is None
