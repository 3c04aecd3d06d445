from hypothesis import given
from hypothesis import strategies as st

from cascade.roaming.model import id_key
from cascade.roaming.tokens import PublishTokens, Token
from nap.decisions.outcome import Answer, Refuse
from nap.decisions.tokens import publish
from nap.records import Publication, PublicationFacts


def judged(message: PublishTokens, facts: PublicationFacts) -> Publication:
    outcome = publish("C1", message, facts)
    assert isinstance(outcome, Answer)
    return outcome.value


def message(*id_tags: str, full: bool = False, base_version: int = 0, more: bool = False) -> PublishTokens:
    tokens = tuple(Token(id_tag=id_tag) for id_tag in id_tags)
    return PublishTokens(full=full, base_version=base_version, more=more, tokens=tokens)


def facts(
    published_version: int = 0,
    owners: dict[str, str] | None = None,
    prefix_owners: dict[str, str] | None = None,
) -> PublicationFacts:
    return PublicationFacts(published_version, owners or {}, prefix_owners or {})


def test_a_first_delta_may_come_without_a_list() -> None:
    publication = judged(message("A1"), facts())
    assert (publication.starts_list, publication.ends_list) == (False, False)


def test_a_full_list_of_one_page_starts_and_ends() -> None:
    publication = judged(message("A1", full=True), facts(published_version=9))
    assert (publication.starts_list, publication.ends_list) == (True, True)


def test_pages_of_a_full_list_start_go_on_and_end() -> None:
    pages = [
        judged(message("A1", full=True, more=True), facts(published_version=9)),
        judged(message("A2", full=True, base_version=10, more=True), facts(published_version=10)),
        judged(message("A3", full=True, base_version=11), facts(published_version=11)),
    ]
    assert [(page.starts_list, page.ends_list) for page in pages] == [
        (True, False),
        (False, False),
        (False, True),
    ]


@given(st.booleans(), st.integers(0, 9), st.integers(0, 9), st.booleans())
def test_what_does_not_follow_the_last_publication_is_refused(
    full: bool,  # noqa: FBT001 - drawn
    base_version: int,
    published_version: int,
    more: bool,  # noqa: FBT001 - drawn
) -> None:
    outcome = publish(
        "C1", message("A1", full=full, base_version=base_version, more=more), facts(published_version)
    )
    fits = base_version == published_version or (full and base_version == 0)
    assert isinstance(outcome, Answer if fits else Refuse)
    if isinstance(outcome, Refuse):
        assert outcome.code == "VersionConflict"
        assert str(published_version) in outcome.detail


def test_a_conflict_takes_only_its_own_token() -> None:
    publication = judged(
        message("A1", "b1", "P1", "p2"),
        facts(owners={"B1": "C2", "A1": "C1"}, prefix_owners={"P1": "C3", "P2": "C1"}),
    )
    assert [token.id_tag for token in publication.accepted] == ["A1", "p2"]
    assert [(token.id_tag, token.code) for token in publication.rejected] == [
        ("b1", "TokenTaken"),
        ("P1", "PrefixTaken"),
    ]


def test_of_one_token_named_twice_the_last_counts() -> None:
    tokens = (Token(id_tag="a1", parent_id_tag="ONE"), Token(id_tag="A1", parent_id_tag="TWO"))
    publication = judged(PublishTokens(full=False, base_version=0, tokens=tokens), facts())
    assert publication.accepted == (tokens[1],)


id_tags = st.text("aAbB1", min_size=1, max_size=2)
owners = st.dictionaries(id_tags.map(id_key), st.sampled_from(["C1", "C2"]))


@given(st.lists(id_tags), owners, owners)
def test_each_token_is_accepted_or_rejected_and_never_anothers(
    id_tags: list[str], token_owners: dict[str, str], prefix_owners: dict[str, str]
) -> None:
    publication = judged(message(*id_tags), facts(owners=token_owners, prefix_owners=prefix_owners))
    accepted = {id_key(token.id_tag) for token in publication.accepted}
    rejected = {id_key(token.id_tag) for token in publication.rejected}
    assert accepted | rejected == set(map(id_key, id_tags))
    assert not accepted & rejected
    assert not accepted & {
        key for names in (token_owners, prefix_owners) for key, owner in names.items() if owner == "C2"
    }
