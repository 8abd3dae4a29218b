"""The console's settings."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr
from serinus_runtime.settings import Settings

Auth = Literal["none", "token", "kubernetes", "proxy"]


class ConsoleSettings(Settings):
    auth: Auth = Field(
        "none",
        description="who may act: none (read-only), token (whoever has SERINUS_TOKEN), kubernetes (bearer token by "
        "TokenReview, right by SubjectAccessReview), proxy (identity from a trusted proxy's headers, right by "
        "SubjectAccessReview)",
    )
    token: SecretStr = Field(SecretStr(""), description="with auth token: the one token, at least 20 characters")
    cluster: str = Field(
        "default", description="the cluster that rights are asked of; runs of other clusters are shown, not commanded"
    )
    audience: str = Field("serinus-console", description="with auth kubernetes: audience that a token must be for")
    kubeconfig: str = Field("", description="kubeconfig file; empty uses the pod's service account")
    context: str = Field("", description="context of the kubeconfig; empty uses its current one")
    user_header: str = Field("X-Forwarded-User", description="with auth proxy: header with the user's name")
    groups_header: str = Field("X-Forwarded-Groups", description="with auth proxy: header with groups, by commas")
    review_seconds: Annotated[float, Field(ge=0, le=300)] = Field(
        15.0, description="seconds for which a review of a token or right is remembered"
    )
    session_hours: Annotated[float, Field(gt=0)] = Field(8.0, description="hours after which a browser signs in anew")
    command_limit: Annotated[int, Field(ge=1)] = Field(20, description="commands a minute that one person may send")
