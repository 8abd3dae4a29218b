"""The collector as AWS knows it."""

import asyncio
import os
import re
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx

from serinus_collecting.clouds.identity import REQUEST_SECONDS, CloudIdentity, told
from serinus_collecting.ports import ProviderError
from serinus_collecting.providers import SigV4
from serinus_collecting.tokens import Tokens

# Botocore renews from a quarter of an hour before the end on.
EARLY_SECONDS = 14 * 60.0
_NEEDS = {
    "aps": "aps:QueryMetrics, as the policy AmazonPrometheusQueryAccess has it",
    "monitoring": "cloudwatch:GetMetricData, as the policy CloudWatchReadOnlyAccess has it",
}
# Of AWS' own addresses, also those by PrivateLink.
_REGION = r"\.([a-z]{2,5}(?:-[a-z]+)+-\d+)\.(?:vpce\.)?(?:amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|api\.aws)$"


class AwsIdentity(CloudIdentity):
    """Signs each request by Signature Version 4."""

    def __init__(self, config: SigV4, host: str, service: str = "aps") -> None:
        self._service = config.service or service
        self.needs = _NEEDS.get(self._service, "a right to query")
        in_host = re.search(_REGION, host)
        self._config, self._region = config, config.region or (in_host[1] if in_host else "")
        self._credentials: Any = None
        ask = partial(asyncio.to_thread, self._renew)
        self._frozen: Tokens[tuple[Any, str]] = Tokens(ask, clock=time.monotonic, early_seconds=EARLY_SECONDS)
        self._last: Any = None

    async def authorize(self, request: httpx.Request) -> None:
        self._last = await self._frozen.token()
        # What takes long of it was imported by the thread.
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        # What says which operation is meant has to be signed.
        named = {name: request.headers[name] for name in ("content-type", "x-amz-target") if name in request.headers}
        signed = AWSRequest(request.method, str(request.url), headers=named, data=request.content)
        SigV4Auth(self._last[0], self._service, self._region).add_auth(signed)
        request.headers.update(dict(signed.headers.items()))

    def refused(self) -> None:
        self._credentials = None
        self._frozen.forget(self._last)

    async def describe(self) -> str:
        frozen, method = await self._frozen.token()
        place, role = _AWS_PLACES.get(method, method), self._config.role_arn
        if method == "assume-role-with-web-identity":
            role = role or os.environ.get("AWS_ROLE_ARN")
        what = f"role {role}, " if role else ""
        return f"AWS {what}access key {frozen.access_key}, by {place}, in {self._region}"

    def _renew(self) -> tuple[tuple[Any, str], float]:
        import botocore.auth
        import botocore.awsrequest  # noqa: F401 - for authorize

        with told(lambda: f"AWS gave no credentials{self._tried()}"):
            # Those that fail are looked for anew: keys in files may have been rotated.
            found, self._credentials = self._credentials or self._find(), None
            frozen = found.get_frozen_credentials()
            ends = found._expiry_time if hasattr(found, "refresh_needed") else None
            seconds = (ends - datetime.now(UTC)).total_seconds() if ends else float("inf")
            self._credentials = found
            return (frozen, str(found.method)), seconds

    def _find(self) -> Any:
        from botocore.config import Config
        from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
        from botocore.session import Session

        session = Session(profile=self._config.profile)
        retries = {"max_attempts": 1}
        limits = Config(connect_timeout=REQUEST_SECONDS, read_timeout=REQUEST_SECONDS, retries=retries)
        session.set_default_client_config(limits)
        self._region = self._region or os.environ.get("AWS_REGION") or session.get_config_variable("region") or ""
        if not self._region:
            raise ProviderError("sigv4 needs a region: give sigv4.region, or AWS_REGION to the collector")
        session.set_config_variable("region", self._region)
        found = session.get_credentials()
        if found is None:
            raise ProviderError(
                f"no AWS credentials were found{self._tried()}: give the collector's service account a role (IRSA or "
                "Pod Identity), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        if not self._config.role_arn:
            return found
        fetcher = AssumeRoleCredentialFetcher(
            session.create_client, found, self._config.role_arn, extra_args={"RoleSessionName": "serinus-collector"}
        )
        return DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")

    def _tried(self) -> str:
        profile = f"profile {self._config.profile}" if self._config.profile else "AWS' files"
        role = f", for the role {self._config.role_arn}" if self._config.role_arn else ""
        return f" (tried the environment, {profile}, web identity, container and instance{role})"


_AWS_PLACES = {
    "env": "the environment",
    "shared-credentials-file": "the file of credentials",
    "config-file": "the configuration file",
    "assume-role": "assuming it",
    "assume-role-with-web-identity": "web identity (IRSA)",
    "container-role": "the container's credentials (Pod Identity)",
    "iam-role": "the instance's role",
    "sso": "single sign-on",
}
