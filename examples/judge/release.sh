#!/usr/bin/env bash
# Release an image by the two Deployments of deployments.yaml: release.sh IMAGE
set -euo pipefail
image=${1:?the new image}

canary_away() { kubectl -n shop scale deployment/buy-canary --replicas 0; }
trap canary_away EXIT

kubectl -n shop set image deployment/buy-canary "buy=$image"
kubectl -n shop scale deployment/buy-canary --replicas 1
kubectl -n shop rollout status deployment/buy-canary --timeout 5m

# Ends the script with 3 for an abort, 4 where it stays inconclusive.
serinus judge --prometheus "${PROMETHEUS:?the address of Prometheus}" --name buy --for 15m \
  --canary 'namespace="shop",pod=~"buy-canary-.*"' --stable 'namespace="shop",pod=~"buy-[a-z0-9]+-[a-z0-9]{5}"'

kubectl -n shop set image deployment/buy "buy=$image"
kubectl -n shop rollout status deployment/buy --timeout 15m
