#!/usr/bin/env bash
# The pages of CloudWatch's GetMetricData are not put together by botocore's paginator: what it calls the full result has a metric
# once for each page, and the first of them is PartialData though nothing is missing. Who takes results by their Id keeps the last
# page alone, and who refuses PartialData refuses a whole answer.
#
# Seen with boto3 1.44.8 for one metric whose two points come in two pages:
#   [{'Id': 'm0', 'StatusCode': 'PartialData', ..., 'Values': [1.0]}, {'Id': 'm0', 'StatusCode': 'Complete', ..., 'Values': [2.0]}]
# Of MetricDataResults the paginator makes one list out of the lists of the pages, without knowing that an Id is the same metric.
# Serinus adds the points of an Id up itself, and its status is that of the last page.
#
# Needs uv. Installs the package in a temporary folder; the pages are given by botocore's own stub, and no server is asked.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT

uv venv -q "$folder/venv"
uv pip install -q -p "$folder/venv/bin/python" boto3==1.44.8
"$folder/venv/bin/python" - <<'PY'
from datetime import UTC, datetime, timedelta

import boto3
from botocore.stub import Stubber

client = boto3.client("cloudwatch", "eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
begin = datetime(2026, 1, 1, tzinfo=UTC)
stat = {"Metric": {"Namespace": "Shop", "MetricName": "requests"}, "Period": 60, "Stat": "Sum"}
asked = {
    "MetricDataQueries": [{"Id": "m0", "MetricStat": stat}],
    "StartTime": begin,
    "EndTime": begin + timedelta(minutes=2),
}


def page(status, minute, value, **more):
    at = [begin + timedelta(minutes=minute)]
    return {"MetricDataResults": [{"Id": "m0", "StatusCode": status, "Timestamps": at, "Values": [value]}], **more}


with Stubber(client) as stub:
    stub.add_response("get_metric_data", page("PartialData", 0, 1.0, NextToken="second"))
    stub.add_response("get_metric_data", page("Complete", 1, 2.0))
    found = client.get_paginator("get_metric_data").paginate(**asked).build_full_result()["MetricDataResults"]
print([{**one, "Timestamps": "..."} for one in found])
assert [one["Id"] for one in found] == ["m0", "m0"], "the pages of a metric are one result"
assert [one["StatusCode"] for one in found] == ["PartialData", "Complete"], "the status is that of all pages"
assert {one["Id"]: one["Values"] for one in found} == {"m0": [2.0]}, "by its Id a metric has all its points"
PY
