#!/usr/bin/env bash
# Renders the chart's examples to tests/deploy/rendered, where tests check them against schemas without helm.
# Needs helm 3.18 or later; where Go is: GOBIN=$PWD/.tools/bin go install helm.sh/helm/v3/cmd/helm@v3.22.0
set -euo pipefail
cd "$(dirname "$0")/.."
helm=$(command -v helm || echo .tools/bin/helm)
for example in deploy/chart/examples/*.yaml; do
  "$helm" lint --quiet deploy/chart -f "$example"
  rendered=tests/deploy/rendered/$(basename "$example")
  "$helm" template postavka deploy/chart --kube-version 1.33.0 -f "$example" > "$rendered"
  echo "$rendered"
done
find deploy/chart -type f | LC_ALL=C sort | xargs sha256sum > tests/deploy/rendered/SHA256SUMS
