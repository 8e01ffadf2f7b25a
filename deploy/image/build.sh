#!/usr/bin/env bash
# Builds the images postavka:VERSION-stages, -pages and -tools, with buildah, as root:
#   deploy/image/build.sh [FOLDER] [TARGET …]        (default: build/image, all three)
# In FOLDER stay the prepared files (docker build -f deploy/image/Containerfile --build-arg TARGET=stages FOLDER does the
# same), an OCI layout a target, and an SBOM. Needs: apt-get install buildah mmdebstrap. Two runs give equal digests.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(realpath -m "${1:-build/image}"); shift || true
targets=("$@"); [ ${#targets[@]} -gt 0 ] || targets=(stages pages tools)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
mkdir -p "$folder"
if [ ! -e "$folder/rootfs/usr/bin/python3.11" ]; then
  rm -rf "$folder/rootfs"
  # Nothing is installed, only extracted: the archives' names say which versions these are.
  mmdebstrap --quiet --variant=extract --extract-hook="ls \"\$1/var/cache/apt/archives\" > '$folder/debian.archives'" \
    --include="$(grep -v '^#' deploy/image/packages.txt | paste -sd,)" bookworm "$folder/rootfs"
  mkdir -p "$folder/rootfs/var/lib/postavka" "$folder/rootfs/app"
  chown 10001:10001 "$folder/rootfs/var/lib/postavka"
  rm -rf "$folder"/rootfs/var/lib/apt "$folder"/rootfs/var/lib/dpkg "$folder"/rootfs/var/cache "$folder"/rootfs/var/log \
    "$folder"/rootfs/usr/share/{doc,man,locale,lintian} "$folder"/rootfs/{dev,proc,sys,run}
  rm -f "$folder"/rootfs/bin/{sh,dash,bash} "$folder"/rootfs/usr/bin/{dpkg*,apt*,perl*}
  mkdir -p "$folder"/rootfs/{dev,proc,sys,run,tmp} "$folder"/rootfs/var/{log,cache}; chmod 1777 "$folder/rootfs/tmp"
fi
buildah=(buildah --root "$folder/storage" --runroot "$folder/run" --storage-driver "${STORAGE_DRIVER:-overlay}")
for target in "${targets[@]}"; do
  echo "$target: packages"
  .venv/bin/python deploy/image/prepare.py "$folder" "$target"
  echo "$target: image"
  "${buildah[@]}" build --quiet --isolation chroot --timestamp 0 --build-arg "TARGET=$target" \
    --ignorefile deploy/image/ignored -f deploy/image/Containerfile -t "postavka:$version-$target" "$folder" >/dev/null
  rm -rf "$folder/oci-$target"
  "${buildah[@]}" push --quiet "postavka:$version-$target" "oci:$folder/oci-$target:$version"
  .venv/bin/python deploy/image/sbom.py "$folder/$target.lock" "$folder/debian.archives" "$version" > "$folder/$target.cdx.json"
  echo "$target: $(du -sm "$folder/app-$target" "$folder/rootfs" | awk '{s+=$1} END {print s}') MB unpacked," \
    "$(.venv/bin/python -c "import json,sys; print(json.load(open(sys.argv[1]))['manifests'][0]['digest'])" "$folder/oci-$target/index.json")"
done
