"""The sum and nothing but the sum: whoever drops out, whatever the hub says, whatever it keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain, combinations, product

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.errors import SumRefused, TrainingFailed
from fedsov.privacy.secure_aggregation import masks
from fedsov.privacy.secure_aggregation.fixed_point import FixedPoint
from fedsov.privacy.secure_aggregation.protocol import (
    Terms,
    advertise,
    mask,
    own_mask_key,
    pair_key,
    share,
    threshold_of,
    unmask,
)
from fedsov.privacy.secure_aggregation.secret_sharing import joined
from tests.privacy.secure_aggregation.sums import (
    NAMES,
    STEPS,
    Overheard,
    begun,
    chance,
    contributors,
    ended,
    summed,
    terms_of,
)

WORDS = 6
PLAIN = {name: np.arange(at, at + WORDS, dtype=np.uint64) ** 3 + np.uint64(1) for at, name in enumerate(NAMES)}
LONG = 60_000


def _whole(heard: Overheard, silent: dict[str, str]) -> bool:
    names = contributors(heard.terms.members, silent)
    plain = np.sum([PLAIN[name] for name in names], axis=0, dtype=np.uint64)
    return sorted(heard.masked) == names and np.array_equal(heard.result(), plain)


@pytest.mark.parametrize("count", [3, 4, 5, 6, 7])
def test_without_dropouts_the_sum_is_the_plain_sum(count: int) -> None:
    assert _whole(summed(terms_of(count, WORDS), PLAIN), {})


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("count", [4, 5])
def test_any_single_dropout_at_any_step_leaves_the_plain_sum_of_the_others(count: int, step: str) -> None:
    for gone in NAMES[:count]:
        assert _whole(summed(terms_of(count, WORDS), PLAIN, silent={gone: step}), {gone: step})


@pytest.mark.parametrize("steps", list(product(STEPS, STEPS)), ids="-".join)
@pytest.mark.parametrize("count", [6, 7])
def test_any_pair_of_dropouts_at_any_steps_leaves_the_plain_sum_of_the_others(
    count: int, steps: tuple[str, str]
) -> None:
    for pair in combinations(NAMES[:count], 2):
        silent = dict(zip(pair, steps, strict=True))
        assert _whole(summed(terms_of(count, WORDS), PLAIN, silent=silent), silent)


@pytest.mark.parametrize("step", STEPS)
def test_one_dropout_more_than_the_threshold_allows_opens_nothing(step: str) -> None:
    for count in (3, 4, 5, 6):
        gone = NAMES[: count - threshold_of(count) + 1]
        with pytest.raises((SumRefused, TrainingFailed), match="it takes"):
            summed(terms_of(count, WORDS), PLAIN, silent=dict.fromkeys(gone, step)).result()


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.tuples(st.lists(st.floats(-64, 64), min_size=5, max_size=5), st.integers(1, 2**24)), min_size=3, max_size=5
    )
)
def test_values_and_weights_in_range_have_their_weighted_mean_within_the_stated_error(
    parts: list[tuple[list[float], int]],
) -> None:
    fixed = FixedPoint.finest(clip=64.0, largest_weight=2**24, regions=len(parts))
    values, weights = np.array([one for one, _ in parts]), np.array([weight for _, weight in parts])
    words = {name: fixed.encoded(values[at], int(weights[at])) for at, name in enumerate(NAMES[: len(parts)])}
    mean, weight = fixed.decoded(summed(terms_of(len(parts), 6, fixed=fixed), words).result())
    assert weight == weights.sum()
    np.testing.assert_allclose(mean, weights @ values / weight, rtol=0, atol=fixed.worst_error + 2**-45)


def test_rounds_have_masks_of_their_own() -> None:
    words = {name: np.zeros(WORDS, np.uint64) for name in NAMES}
    first = summed(terms_of(3, WORDS, number=1), words, seed=1)
    again = summed(terms_of(3, WORDS, number=2), words, seed=1)  # even from the same secrets
    assert not np.array_equal(first.masked["DE"].words, again.masked["DE"].words)


def test_fewer_than_three_regions_make_no_secure_sum() -> None:
    fixed = FixedPoint.finest(clip=1.0, largest_weight=10, regions=4)
    for members in ((), ("DE",), ("DE", "US"), ("DE", "DE", "US")):
        with pytest.raises(SumRefused, match="at least 3"):
            Terms("r", 1, members, WORDS, fixed)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"members": ("US", "DE", "CA")}, "in order"),
        ({"members": ("CA", "CA", "DE", "US")}, "distinct"),
        ({"words": 0}, "words"),
        ({"round": 0}, "round"),
        ({"fixed": FixedPoint(1.0, 20, 10, 2)}, "arithmetic is for 2 regions"),
    ],
)
def test_terms_that_do_not_fit_each_other_are_refused(change: dict, says: str) -> None:
    with pytest.raises(SumRefused, match=says):
        replace(terms_of(3, WORDS), **change)


def _share(heard: Overheard, adverts: list, me: str = "CA") -> None:
    share(
        replace(heard.held[me], step="advertise", adverts={me: heard.adverts[me]}), adverts, directory=heard.directory
    )


def _advertised(count: int = 4) -> Overheard:
    return begun(terms_of(count, WORDS), silent=dict.fromkeys(NAMES[:count], "share"))


def test_keys_that_their_region_did_not_sign_are_refused() -> None:
    heard = _advertised()
    forged = replace(heard.adverts["DE"], signature=Ed25519PrivateKey.generate().sign(b"x"))
    for wrong in (forged, replace(forged, signature=b""), replace(forged, signature=heard.adverts["GB"].signature)):
        with pytest.raises(SumRefused, match="DE's keys: not signed by its pinned key"):
            _share(heard, [*(one for one in heard.adverts.values() if one.member != "DE"), wrong])


@pytest.mark.parametrize("part", ["channel", "mask", "seed"])
def test_a_key_that_the_hub_swapped_for_its_own_is_refused(part: str) -> None:
    heard = _advertised()
    swapped = replace(heard.adverts["DE"], **{part: masks.public_key(masks.private_key(b"\x05" * 32))})
    with pytest.raises(SumRefused, match="DE's keys: not signed"):
        _share(heard, [*(one for one in heard.adverts.values() if one.member != "DE"), swapped])


def test_keys_of_another_round_run_or_set_of_members_are_refused() -> None:
    heard = _advertised()
    for other in (
        replace(heard.terms, round=2),
        replace(heard.terms, run="s"),
        replace(heard.terms, members=NAMES[:3]),
        replace(heard.terms, words=7),
    ):
        _, advert = advertise(other, "CA", sign=heard.signers["CA"].sign)
        with pytest.raises(SumRefused, match="CA's keys: not signed"):
            _share(heard, [advert, *(one for one in heard.adverts.values() if one.member != "CA")], me="DE")


def test_keys_of_a_region_without_a_pinned_key_are_refused() -> None:
    heard = _advertised()
    del heard.directory["DE"]
    with pytest.raises(SumRefused, match="nobody gave this region DE's verify key"):
        _share(heard, list(heard.adverts.values()))


def test_keys_that_came_twice_or_of_a_stranger_or_under_one_s_own_name_are_refused() -> None:
    heard = _advertised()
    several = list(heard.adverts.values())
    with pytest.raises(SumRefused, match="twice"):
        _share(heard, [*several, several[-1]])
    with pytest.raises(SumRefused, match="no member"):
        _share(heard, [*several, replace(several[1], member="ZZ")])
    _, mine = advertise(heard.terms, "CA", sign=heard.signers["CA"].sign)
    with pytest.raises(SumRefused, match="own name are not its own"):
        _share(heard, [mine, *several[1:]])
    with pytest.raises(SumRefused, match="own name"):
        _share(heard, several[1:])


def test_a_round_that_was_answered_is_not_answered_again() -> None:
    for number, after in ((3, 3), (2, 3)):
        with pytest.raises(SumRefused, match="answered before"):
            advertise(terms_of(3, WORDS, number=number), "DE", sign=lambda text: text, after=after)


def test_a_region_that_is_no_member_takes_no_part() -> None:
    with pytest.raises(SumRefused, match="no member"):
        advertise(terms_of(3, WORDS), "ZZ", sign=lambda text: text)


def _mask(heard: Overheard, letters: dict[str, bytes]) -> None:
    mask(heard.held["CA"], letters, PLAIN["CA"], sign=heard.signers["CA"].sign)


def test_a_letter_that_was_changed_is_refused() -> None:
    heard = begun(terms_of(4, WORDS))
    for place in (35, 50, 100, -1):
        changed = bytearray(heard.letters["DE"]["CA"])
        changed[place] ^= 1
        with pytest.raises(SumRefused, match="DE's letter was changed"):
            _mask(heard, {**heard.arriving("CA"), "DE": bytes(changed)})


def test_a_replayed_letter_is_refused() -> None:
    heard, before = begun(terms_of(4, WORDS, number=2)), begun(terms_of(4, WORDS, number=1))
    other_keys = begun(terms_of(4, WORDS, number=2), silent={"IN": "advertise"}, seed=0)
    for letter in (
        before.letters["DE"]["CA"],  # of another round
        other_keys.letters["DE"]["CA"],  # of this round, under another set of keys
        heard.letters["DE"]["GB"],  # for another region
        heard.letters["GB"]["CA"],  # from another region
        heard.letters["CA"]["DE"],  # this region's own, sent back
        b"",
    ):
        with pytest.raises(SumRefused, match="DE's name is of another round, or for another region"):
            _mask(heard, {**heard.arriving("CA"), "DE": letter})


def test_letters_of_strangers_or_of_too_few_are_refused() -> None:
    heard = begun(terms_of(4, WORDS))
    with pytest.raises(SumRefused, match="advertised no keys"):
        _mask(heard, {**heard.arriving("CA"), "ZZ": b""})
    with pytest.raises(SumRefused, match="2 of 4 regions shared"):
        _mask(heard, {"DE": heard.letters["DE"]["CA"]})


def test_each_step_is_taken_once_and_in_order() -> None:
    heard = ended(begun(terms_of(4, WORDS)), PLAIN)
    held = heard.held["CA"]
    with pytest.raises(SumRefused, match="each is taken once"):
        share(held, list(heard.adverts.values()), directory=heard.directory)
    with pytest.raises(SumRefused, match="each is taken once"):
        _mask(heard, heard.arriving("CA"))
    fresh = begun(terms_of(4, WORDS)).held["CA"]
    with pytest.raises(SumRefused, match="in no sum"):
        unmask(fresh, heard.signatures(), [], directory=heard.directory)


def _masked(count: int = 5, silent: dict[str, str] | None = None) -> Overheard:
    return summed(terms_of(count, WORDS), PLAIN, silent={**dict.fromkeys(NAMES[:count], "unmask"), **(silent or {})})


def _without(name: str, signed: dict[str, bytes]) -> dict[str, bytes]:
    return {other: signature for other, signature in signed.items() if other != name}


Lists = Callable[[dict[str, bytes]], tuple[dict[str, bytes], list[str]]]


@pytest.mark.parametrize(
    ("lists", "says"),
    [
        (lambda signed: (signed, ["DE"]), "both its masks would be opened"),
        (lambda signed: (signed, ["ZZ"]), "not masked among"),
        (lambda signed: ({**signed, "ZZ": b""}, []), "not masked among"),
        (
            lambda signed: ({name: s for name, s in signed.items() if name != "CA"}, ["CA"]),
            "this region's words are not",
        ),
        (lambda signed: ({name: signed[name] for name in ("CA", "DE", "GB")}, ["IN", "JP"]), "3 of 5 regions survived"),
        (lambda signed: ({name: signed[name] for name in ("CA", "DE")}, []), "2 of 5 regions survived"),
        (lambda signed: ({**signed, "DE": signed["GB"]}, []), "DE's list of regions"),
        (lambda signed: ({**signed, "DE": b""}, []), "DE's list of regions"),
    ],
)
def test_lists_that_would_tell_more_than_the_sum_are_refused(lists: Lists, says: str) -> None:
    heard = _masked()
    with pytest.raises(SumRefused, match=says):
        unmask(heard.held["CA"], *lists(heard.signatures()), directory=heard.directory)


def test_a_second_request_with_another_list_is_refused_and_the_same_one_answered_alike() -> None:
    heard = _masked()
    everyone = heard.signatures()
    held, first = unmask(heard.held["CA"], everyone, [], directory=heard.directory)
    held, again = unmask(held, everyone, [], directory=heard.directory)
    assert again == first
    fewer = {name: everyone[name] for name in ("CA", "DE", "GB", "IN")}
    for survivors, dropped in ((fewer, ["JP"]), (fewer, [])):
        with pytest.raises(SumRefused, match="opened under other lists before"):
            unmask(held, survivors, dropped, directory=heard.directory)


def test_a_survivor_that_masked_among_others_is_found_before_anything_is_opened() -> None:
    heard = begun(terms_of(5, WORDS))
    for name in heard.letters:
        arriving = heard.arriving(name)
        if name == "CA":
            del arriving["JP"]  # the hub tells CA that JP shared nothing, and the others that it did
        heard.held[name], heard.masked[name] = mask(
            heard.held[name], arriving, PLAIN[name], sign=heard.signers[name].sign
        )
    with pytest.raises(SumRefused, match="CA's list of regions it masked among"):
        unmask(heard.held["DE"], heard.signatures(), [], directory=heard.directory)


def _is_noise(words: np.ndarray) -> bool:
    """Bytes uniform by a chi-square test: 255 degrees of freedom, deviation 22.6, at most six and a half of them."""
    counts = np.bincount(words.view(np.uint8), minlength=256)
    expected = counts.sum() / 256
    return 100.0 < float(((counts - expected) ** 2 / expected).sum()) < 402.0


def _inputs(seed: int, count: int = 4) -> dict[str, np.ndarray]:
    """Updates as networks have them: small numbers, whose words have mostly equal high bytes."""
    fixed, rng = FixedPoint.finest(clip=64.0, largest_weight=2**24, regions=count), np.random.default_rng(seed)
    return {name: fixed.encoded(rng.normal(0, 0.01, LONG - 1), 1000 + at) for at, name in enumerate(NAMES[:count])}


def test_the_test_for_noise_knows_unmasked_words() -> None:
    assert not any(_is_noise(words) for words in _inputs(0).values())


def test_every_masked_vector_is_the_input_plus_noise_that_does_not_depend_on_it() -> None:
    """y = x + m where m is the same for any x, and uniform: so y tells nothing of x to whoever does not know m."""
    one, other = _inputs(0), _inputs(1)
    first, second = (summed(terms_of(4, LONG), words, seed=5) for words in (one, other))
    fresh = summed(terms_of(4, LONG), one, seed=6)
    for name in NAMES[:4]:
        noise = first.masked[name].words - one[name]
        assert np.array_equal(noise, second.masked[name].words - other[name])
        assert _is_noise(noise) and _is_noise(first.masked[name].words)
        assert _is_noise(fresh.masked[name].words - first.masked[name].words)


@pytest.mark.parametrize("silent", [{}, {"IN": "mask"}])
def test_with_all_that_the_hub_receives_no_sum_of_fewer_than_all_is_told(silent: dict[str, str]) -> None:
    """All masks that the hub can make are taken off; each part of the sum is still under noise, the whole is not."""
    inputs = _inputs(2)
    heard = summed(terms_of(4, LONG), inputs, silent=silent)
    bare = _with_known_masks_off(heard)
    names = sorted(heard.masked)
    for some in chain.from_iterable(combinations(names, size) for size in range(1, len(names) + 1)):
        left = np.sum([bare[one] - inputs[one] for one in some], axis=0, dtype=np.uint64)
        if list(some) == names:
            assert not left.any()
        else:
            assert _is_noise(left)


def _with_known_masks_off(heard: Overheard) -> dict[str, np.ndarray]:
    """Each survivor's words without its own mask and without the masks of dropouts; of these the hub has the keys."""
    single = {}
    for name, one in heard.masked.items():
        words = one.words
        seeds = {heard.terms.place(at): said.seeds[name] for at, said in heard.opened.items()}
        words = masks.masked(words, taken=[own_mask_key(heard.terms, name, joined(seeds))])
        for gone in heard.dropped:
            key = joined({heard.terms.place(at): said.keys[gone] for at, said in heard.opened.items()})
            pair = pair_key(heard.terms, masks.private_key(key), gone, heard.adverts[name])
            words = masks.masked(words, taken=[pair]) if name < gone else masks.masked(words, added=[pair])
        single[name] = words
    return single


def test_what_the_hub_is_sent_holds_no_secret_and_no_share_in_the_clear() -> None:
    heard = begun(terms_of(4, WORDS))
    relayed = b"".join(letter for letters in heard.letters.values() for letter in letters.values())
    relayed += b"".join(one.channel + one.mask + one.seed + one.signature for one in heard.adverts.values())
    for held in heard.held.values():
        keys = (held.secrets.channel.private_bytes_raw(), held.secrets.mask.private_bytes_raw())
        for secret in (*keys, held.secrets.seed, *held.channels.values()):
            assert secret not in relayed
        for part in held.shares.values():
            assert part.seed not in relayed and part.key not in relayed
        assert repr(held.secrets) == "Secrets()" and "channels" not in repr(held) and "Shares" not in repr(held)


def _fewest_told(count: int, threshold: int, *, conspire: int = 0) -> int:
    """The fewest honest regions whose sum a hub can open that tells each region lists of its own choice.

    The first `conspire` regions give it both shares of everything. An honest region i answers under a set of dropouts
    without itself that leaves `threshold` survivors. A region's mask can be made where a threshold of holders gave a
    share of its masking key; the sum of all others is then open, if a threshold gave shares of each one's seed.
    """
    honest = range(conspire, count)
    choices = [
        [
            frozenset(dropped)
            for size in range(count - threshold + 1)
            for dropped in combinations([one for one in range(count) if one != me], size)
        ]
        for me in honest
    ]
    fewest = count
    for told in product(*choices):
        keys = [sum(one in dropped for dropped in told) + conspire for one in range(count)]
        seeds = [sum(one not in dropped for dropped in told) + conspire for one in range(count)]
        hidden = [one for one in honest if keys[one] < threshold]
        if hidden and all(seeds[one] >= threshold for one in hidden):
            fewest = min(fewest, len(hidden))
    return fewest


@pytest.mark.parametrize("count", [3, 4, 5])
def test_no_choice_of_lists_opens_a_sum_of_fewer_than_three_regions(count: int) -> None:
    assert _fewest_told(count, threshold_of(count)) >= 3


def test_a_bare_majority_would_not_be_enough() -> None:
    assert threshold_of(5) == 4 and _fewest_told(5, 3) == 2


@pytest.mark.parametrize("count", [3, 4, 5])
def test_beside_one_region_that_conspires_no_sum_of_fewer_than_two_others_is_opened(count: int) -> None:
    assert _fewest_told(count, threshold_of(count), conspire=1) >= 2


def test_the_inequalities_of_the_threshold_hold_for_any_number_of_regions() -> None:
    for n in range(3, 2000):
        t = threshold_of(n)
        assert 2 * (n - 1) * t > n * n and 2 * t > n and 3 <= t <= n
        assert t == 3 or 2 * (n - 1) * (t - 1) <= n * n
        assert (t - 1) * (n - 2) > (n - 1) * (n - t)
        assert all(t * (m - 2) > m * (m - t) for m in range(max(t, 3), n + 1))


def test_chance_of_tests_repeats_and_that_of_runs_does_not() -> None:
    terms = terms_of(3, WORDS)
    (_, one), (_, two) = (advertise(terms, "DE", sign=lambda text: b"", draw=chance(1)) for _ in range(2))
    (_, three), (_, four) = (advertise(terms, "DE", sign=lambda text: b"") for _ in range(2))
    assert one == two and three.mask != four.mask
