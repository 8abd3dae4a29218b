"""What a cluster's controllers say of themselves, so that people see when nothing can be advanced or aborted."""

from pydantic import Field

from serinus_contracts.base import Contract, Millis


class ControllerStatus(Contract):
    """Of one cluster. The leader writes it every few seconds; another controller only while there is none."""

    identity: str = Field(description="of the controller that wrote this")
    reported: Millis = Field(description="when it was written")
    led: Millis = Field(0, description="when a leader wrote last; 0: never")
    trouble: str = Field("", description="what the API server said last, if it does not answer or refuses")
    refused: bool = Field(False, description="it answers, and refuses (401, 403)")
    redis: str = Field("", description="how full Redis is, where too full for all that is to be written")
    since: Millis = Field(0, description="since when it has been so")
    lost: Millis = Field(0, description="when Redis was last found to have lost data; 0: never, as far as is known")
    doubtful: bool = Field(
        False, description="people's decisions may be part of what was lost: runs are on hold for it"
    )
    valid_ms: int = Field(description="nobody leads if nothing newer was written for so long")
