"""What each role may do, and for which regions."""

import pytest

from fedsov.control_plane.people.roles import RIGHTS, Person, Right, Role, roles_of
from fedsov.errors import ConfigurationError


@pytest.mark.parametrize(
    ("role", "rights"),
    [
        (Role.OPERATOR, {Right.SEE, Right.OPERATE}),
        (Role.APPROVER, {Right.SEE, Right.APPROVE}),
        (Role.AUDITOR, {Right.SEE, Right.AUDIT}),
        (Role.VIEWER, {Right.SEE}),
    ],
)
def test_each_role_gives_its_own_right_beside_seeing(role, rights):
    assert {right for right in Right if Person("anna", frozenset({role})).may(right)} == rights


def test_every_right_is_given_by_a_role_and_none_by_no_role():
    assert set(RIGHTS) == set(Right) and all(RIGHTS.values())
    assert not any(Person("anna", frozenset()).may(right) for right in Right)


def test_an_account_for_some_regions_is_for_no_other_and_not_for_all():
    dora = Person("dora", frozenset({Role.APPROVER}), frozenset({"DE"}))
    assert dora.may(Right.APPROVE, region="DE") and not dora.may(Right.APPROVE, region="FR")
    assert not dora.is_for_all and Person("adam", frozenset({Role.APPROVER})).may(Right.APPROVE, region="FR")


def test_an_unknown_role_and_none_are_refused_with_what_there_is():
    assert roles_of([" Operator", "viewer"]) == {Role.OPERATOR, Role.VIEWER}
    with pytest.raises(ConfigurationError, match="did you mean approver"):
        roles_of(["aprover"])
    with pytest.raises(ConfigurationError, match="needs a role"):
        roles_of([])
