"""A round's sum begun again, among fewer: what to do where a letter cannot be opened.

A region that shares its secrets in letters that nobody can open would end the sum for all, for whoever cannot open one
masks among others than the rest. So it says whose letters it cannot open, and sends nothing else; the hub leaves out
whom that speaks against (`blamed`), and begins the round again among the others, with fresh keys.

Two sums of one round would tell their difference, so at most one attempt of a round may ever be opened. A region
answers a later attempt only where it opened none before, and only among fewer of the same members; with that it forgets
the earlier one. Of n members at first and m later, an earlier attempt takes t(n) regions that did not go on, and a
later one t(m) that did. Where t(m) + t(n) > n there are never so many, and `may_begin_again` asks for that; it holds
wherever one or two are left out.

>>> blamed({"DE": ["ES"], "FR": ["ES"]}, fewest=3, members=4)
['ES']
>>> blamed({"DE": ["ES"]}, fewest=3, members=5), blamed({"DE": ["ES"]}, fewest=3, members=4)
(['DE', 'ES'], ['ES'])
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from fedsov.errors import SumRefused
from fedsov.privacy.secure_aggregation.protocol import SumState, decrypted_shares, threshold_of


def may_begin_again(first: Collection[str], before: Collection[str], members: Collection[str]) -> bool:
    """Whether a round may be begun again among `members`, if nothing was opened of it.

    Args:
        first: among whom it was begun first.
        before: among whom it was begun last.
    """
    return set(members) < set(before) and threshold_of(len(members)) + threshold_of(len(first)) > len(first)


def unreadable_letters(state: SumState, letters: Mapping[str, bytes]) -> list[str]:
    """The senders whose encrypted shares this region cannot open, in order; strangers are not looked at."""
    senders = []
    for sender in sorted(set(letters) & set(state.channels)):
        try:
            decrypted_shares(state, sender, letters[sender])
        except SumRefused:
            senders.append(sender)
    return senders


def blamed(complaints: Mapping[str, Collection[str]], *, members: int, fewest: int) -> list[str]:
    """Whom complaints speak against, in order: without them none is left.

    Each complaint sets two regions against each other, and one of the two is at fault: the letter was bad, or the
    complaint is false. The region in most of them is left out, then the next. Of two in one complaint alone nobody can
    tell which it is: both are left out where enough remain, else the one whose letter it was.

    Args:
        complaints: by region, those whose letters it could not open.
        members: how many regions take part.
        fewest: how many must remain.
    """
    pairs = {(by, sender) for by, senders in complaints.items() for sender in senders}
    out: set[str] = set()
    while pairs:
        counts = Counter(name for pair in pairs for name in pair)
        most = max(counts.values())
        by, sender = min(pairs)
        if most > 1:
            worst = {name for name in counts if counts[name] == most}
            chosen = {min(worst & {sender for _, sender in pairs} or worst)}
        else:
            chosen = {by, sender} if members - len(out) - 2 >= fewest else {sender}
        out |= chosen
        pairs = {pair for pair in pairs if not chosen & {*pair}}
    return sorted(out)
