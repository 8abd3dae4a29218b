"""Which namespaces may use a provider: what it is asked for is read with the collector's credentials."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

ProviderAccess = Mapping[str, Sequence[str]]
"""Patterns of namespaces (with `*`) by the name of a provider. One that is not named here, or with none, is for all."""

OPEN: ProviderAccess = {}


def may_use(access: ProviderAccess, provider: str, namespace: str) -> bool:
    """Whether a policy of this namespace may name the provider."""
    patterns = access.get(provider)
    return not patterns or any(fnmatchcase(namespace, one) for one in patterns)


def refusal(provider: str, namespace: str) -> str:
    """What is said to who may not, and the ways out."""
    return (
        f"provider {provider} is not for namespace {namespace}: name another one in source.provider, or have the "
        "namespace added to the provider's namespaces"
    )
