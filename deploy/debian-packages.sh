#!/usr/bin/env bash
# Debian packages that the tests use where the system allows: a browser, GOST signatures, kcat, promtool, clocks, images,
# a pooler. Installs what is missing, as root with apt-get; elsewhere it names what is missing and goes on: those skip.
set -euo pipefail
packages=(
    chromium libengine-gost-openssl openssl kafkacat prometheus libfaketime poppler-utils
    buildah mmdebstrap umoci pgbouncer
)

missing=()
for package in "${packages[@]}"; do
    dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "Not installed, so that tests which need them are skipped: ${missing[*]}" >&2
    exit 0
fi
echo "Installing Debian packages: ${missing[*]} ..."
export DEBIAN_FRONTEND=noninteractive
said=$(mktemp)
trap 'rm -f "$said"' EXIT
quietly() { "$@" >"$said" 2>&1 || { tail -20 "$said" >&2; return 1; }; }
quietly apt-get update
# --no-install-recommends also keeps services such as Prometheus' node exporter away; policy-rc.d keeps daemons stopped.
if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f "$said" /usr/sbin/policy-rc.d' EXIT
fi
quietly apt-get install --yes --no-install-recommends "${missing[@]}"
