"""A table of the user's own has no part of the demonstration."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.config.hydra_compose import compose, config_dir
from fedsov.config.own_tables import with_defaults
from fedsov.config.settings import settings
from fedsov.errors import ConfigurationError
from tests.own_settings import EXAMPLES

OWN = ["dataset=table", "dataset.path=people.csv", "dataset.jurisdiction=country", "dataset.target=ill"]
DEMO = config_dir() / "border" / "evidence_demo.yaml"


def test_regions_are_those_that_are_found_and_no_document_counts() -> None:
    chosen = settings(compose(OWN))
    assert chosen.federation.regions is None and chosen.border.evidence is None and not chosen.border.unsafe_open


def test_a_described_data_set_is_the_user_s_own_too(tmp_path: Path) -> None:
    (tmp_path / "people.yaml").write_text("path: people.csv\njurisdiction: country\ntarget: ill\n")
    chosen = settings(compose([f"dataset=@{tmp_path / 'people.yaml'}"]))
    assert chosen.federation.regions is None and chosen.border.evidence is None


@pytest.mark.parametrize("words", [[], ["dataset=stackoverflow"], ["seed=1"]])
def test_the_demonstration_keeps_its_countries_and_its_documents(words: list[str]) -> None:
    chosen = settings(compose(words))
    assert len(chosen.federation.regions or ()) == 5 and chosen.border.evidence == DEMO


@pytest.mark.parametrize(
    "said",
    [
        "federation.regions=[US,DE]", "federation=five_countries", "border=unsafe_open", "border.evidence=own.yaml",
        "+border.evidence=own.yaml", "dataset=stackoverflow",
    ],
)  # fmt: skip
def test_what_is_said_is_not_said_again(said: str) -> None:
    added = with_defaults([*OWN, said])[: -len(OWN) - 1]
    group = said.lstrip("+").partition("=")[0].partition(".")[0]
    assert not any(word.startswith(group) for word in added)
    assert len(added) == (0 if group == "dataset" else 1)


def test_made_up_documents_speak_for_no_people_s_rows(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="border=demo is a register of made-up documents") as refused:
        settings(compose([*OWN, "border=demo"]))
    assert "border=none" in str(refused.value) and "border.evidence=FILE" in str(refused.value)
    with pytest.raises(ConfigurationError, match="made-up documents"):
        settings(compose([*OWN, f"border.evidence={DEMO}"]))
    copy, link = tmp_path / "copy.yaml", tmp_path / "link.yaml"
    copy.write_bytes(DEMO.read_bytes())
    link.symlink_to(DEMO)
    for path in (copy, link):
        with pytest.raises(ConfigurationError, match=f"border.evidence={path} is a register of made-up documents"):
            settings(compose([*OWN, f"border.evidence={path}"]))
    assert settings(compose([*OWN, "border=demo", f"dataset.examples='{EXAMPLES}'"])).border.evidence == DEMO
