"""What Art. 30 GDPR asks and no ledger holds: each answer is shown, and each empty one by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.config.hydra_compose import config_dir
from fedsov.control_plane.compliance.controller import ASKED, no_controller, read_controller
from fedsov.control_plane.compliance.page import as_html
from fedsov.errors import ConfigurationError
from tests.control_plane.compliance.ledgers import record, said

FULL = b"""
controller: {name: Example Ltd, address: "1 Street, Dublin", contact: privacy@example.org}
joint_controllers: [{name: Other Ltd}, Third Ltd]
retention: five years
"""


def test_every_answer_is_read_in_the_order_that_the_article_asks() -> None:
    told = read_controller(FULL, "c.yaml")
    assert [answer.name for answer in told.answers] == list(ASKED)
    answers = {answer.name: answer.texts for answer in told.answers}
    assert answers["controller"] == ("Example Ltd, 1 Street, Dublin, privacy@example.org",)
    assert answers["joint_controllers"] == ("Other Ltd", "Third Ltd") and answers["retention"] == ("five years",)
    assert set(told.empty) == set(ASKED) - {"controller", "joint_controllers", "retention"}


@pytest.mark.parametrize(
    "empty", [b"security: ''", b"security: []", b"security:", b"security: ['']", b"security: '  '"]
)
def test_an_answer_that_says_nothing_is_empty(empty: bytes) -> None:
    assert "security" in read_controller(empty + b"\npurposes: x\n", "c.yaml").empty


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"controler: x", "c.yaml: unknown name 'controler'; did you mean controller?"),
        (b"controller: {nam: x}", "c.yaml: controller: unknown name 'nam'; did you mean name?"),
        (b"purposes: [1]", "c.yaml: purposes holds 1; write a text"),
        (b"example: perhaps", "write true or false"),
    ],
)
def test_what_is_no_answer_is_refused_with_its_place(text: bytes, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_controller(text, "c.yaml")
    assert words in str(caught.value)


def test_the_page_and_the_json_show_answers_and_name_the_empty_ones(workspace: Path) -> None:
    told = record(workspace, controllers=[read_controller(FULL, "c.yaml")])
    page = as_html(told)
    assert "privacy@example.org" in page and "c.yaml leaves empty: representative" in said(told)
    for name, (title, cite) in ASKED.items():
        assert title in page and cite in page
        assert (f"<code>{name}</code>" in page) is (name in told.controllers[0].empty)
    answers = told.to_json()["controllers"][0]["answers"]
    assert {
        "name": "representative",
        "title": ASKED["representative"][0],
        "cite": "Art. 30(1)(a) and 27",
        "texts": [],
    } in answers


def test_a_tenant_that_wrote_nothing_down_is_shown_every_question_as_empty(workspace: Path) -> None:
    told = record(workspace)
    assert told.controllers == (no_controller(),) and told.controllers[0].empty == tuple(ASKED)
    assert "No controller.yaml was given" in said(told) and as_html(told).count(">empty</span>") == len(ASKED)


def test_the_example_that_is_shipped_can_be_read_and_is_marked(workspace: Path) -> None:
    path = config_dir() / "border" / "controller.yaml"
    example = read_controller(path.read_bytes(), "controller.yaml")
    assert example.example and "controller" not in example.empty and "representative" in example.empty
    told = record(workspace, controllers=[example])
    assert "is a made-up example" in said(told) and "EXAMPLE</span>" in as_html(told)
