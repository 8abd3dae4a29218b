#!/usr/bin/env bash
# moto, by which programs for AWS are commonly tested, adds up all metrics of a name where GetMetricData is asked without dimensions.
# CloudWatch does not: a metric is its name with exactly its dimensions, and without them it is another one, which has no data. A
# program that leaves dimensions out is green on moto and counts nothing on AWS. Nor does moto give pages: MaxDatapoints is not
# heeded, so code for NextToken is never run.
#
# Seen with moto 5.2.5 (boto3 1.44.8) for a metric with the dimension arm, five points:
#   with its dimension [1.0, 2.0, 3.0, 4.0, 5.0], without any [1.0, 2.0, 3.0, 4.0, 5.0], of another value []
#   at most two points are asked for: five, and no NextToken
# That each combination of dimensions is a metric of its own stands in AWS' document on the concepts of CloudWatch, under Dimensions,
# and that MaxDatapoints makes pages in that of GetMetricData. Serinus is tested against a fake of its own that heeds both.
#
# Needs uv. Installs the packages in a temporary folder; no server is asked.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT

uv venv -q "$folder/venv"
uv pip install -q -p "$folder/venv/bin/python" boto3==1.44.8 moto==5.2.5
"$folder/venv/bin/python" - <<'PY'
from datetime import UTC, datetime, timedelta

import boto3
from moto import mock_aws

begin = datetime(2026, 1, 1, tzinfo=UTC)


def asked(client, dimensions, **more):
    named = {"Namespace": "Shop", "MetricName": "requests", "Dimensions": dimensions}
    stat = {"Metric": named, "Period": 60, "Stat": "Sum"}
    return client.get_metric_data(
        MetricDataQueries=[{"Id": "m0", "MetricStat": stat}],
        StartTime=begin,
        EndTime=begin + timedelta(minutes=5),
        ScanBy="TimestampAscending",
        **more,
    )


with mock_aws():
    client = boto3.client("cloudwatch", "eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    arm = [{"Name": "arm", "Value": "canary"}]
    for minute in range(5):
        point = {"MetricName": "requests", "Dimensions": arm, "Timestamp": begin + timedelta(minutes=minute)}
        client.put_metric_data(Namespace="Shop", MetricData=[{**point, "Value": minute + 1}])
    answers = {
        "with its dimension": asked(client, arm),
        "without any": asked(client, []),
        "of another value": asked(client, [{"Name": "arm", "Value": "stable"}]),
        "at most two points": asked(client, arm, MaxDatapoints=2),
    }
for name, answer in answers.items():
    print(name, answer["MetricDataResults"][0]["Values"], "NextToken" in answer)
values = {name: sorted(answer["MetricDataResults"][0]["Values"]) for name, answer in answers.items()}
everything = [1.0, 2.0, 3.0, 4.0, 5.0]
assert values["with its dimension"] == everything
assert values["of another value"] == []
assert values["without any"] == everything, "a metric without dimensions is another one"
assert values["at most two points"] == everything, "an answer has at most as many points as are asked for"
assert "NextToken" not in answers["at most two points"], "there are pages"
PY
