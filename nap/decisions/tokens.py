"""PublishTokens: which published tokens are taken, and whether the publication fits the one before it.

1. A delta, and every further page of a full list, must name the version of the publication before it;
   otherwise something was lost, and the operator publishes its full list.
2. A token belongs to whoever published it first; a prefix reserves its tokens for its operator.
3. What is rejected takes nothing else with it.
"""

from cascade.roaming.model import id_key
from cascade.roaming.tokens import PublishTokens, RejectedToken, Token
from nap.decisions.outcome import Answer, Refuse
from nap.records import Publication, PublicationFacts


def publish(operator_id: str, message: PublishTokens, facts: PublicationFacts) -> Answer[Publication] | Refuse:
    """Decide on a publication of `operator_id`."""
    starts_list = message.full and message.base_version == 0
    if not starts_list and message.base_version != facts.published_version:
        return Refuse(
            "VersionConflict",
            f"your last publication that the hub has is version {facts.published_version}: publish your full "
            "list, beginning with a page whose baseVersion is 0",
        )
    accepted: dict[str, Token] = {}
    rejected: list[RejectedToken] = []
    for token in message.tokens:
        key = id_key(token.id_tag)
        if facts.owners.get(key, operator_id) != operator_id:
            rejected.append(_rejected(token, "TokenTaken", "another operator has published this idTag"))
        elif facts.prefix_owners.get(key, operator_id) != operator_id:
            rejected.append(_rejected(token, "PrefixTaken", "the idTag begins with another operator's prefix"))
        else:
            accepted[key] = token
    return Answer(
        Publication(
            accepted=tuple(accepted.values()),
            rejected=tuple(rejected),
            starts_list=starts_list,
            ends_list=message.full and not message.more,
        )
    )


def _rejected(token: Token, code: str, detail: str) -> RejectedToken:
    return RejectedToken(id_tag=token.id_tag, code=code, detail=detail)
