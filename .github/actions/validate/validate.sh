#!/bin/sh
# Runs lockstep validate with the action's inputs, which are in the environment. Takes a lockstep that is on the
# path, else a released binary, else builds it with Go.
set -eu

module=github.com/lockstep-data/lockstep
bin=$(mktemp -d)

if program=$(command -v lockstep); then
  :
elif command -v gh >/dev/null && {
  tag=${VERSION:-latest}
  [ "$tag" = latest ] && tag=
  arch=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
  gh release download ${tag:+"$tag"} --repo "${module#github.com/}" --pattern "*_$(uname -s | tr A-Z a-z)_$arch.tar.gz" --output - 2>/dev/null | tar -xz -C "$bin" lockstep 2>/dev/null
}; then
  program=$bin/lockstep
elif command -v go >/dev/null && GOBIN=$bin go install "$module@${VERSION:-latest}"; then
  program=$bin/lockstep # go run would make every exit code 1
else
  echo "::error title=lockstep::no lockstep on the path, no release to download, and no Go that builds it"
  exit 2
fi

set -- validate
[ -z "${PIPELINE:-}" ] || set -- "$@" "$PIPELINE"
set -- "$@" "$LEFT"
[ -z "${RIGHT:-}" ] || set -- "$@" "$RIGHT"
[ -z "${KEY:-}" ] || set -- "$@" --key "$KEY"
[ -z "${FAIL_ON:-}" ] || set -- "$@" --fail-on "$FAIL_ON"
[ -z "${REPORT:-}" ] || set -- "$@" --out "$REPORT"
while read -r arg; do
  flag=${arg%% *}
  case $arg in
  '') ;;
  "$flag") set -- "$@" "$arg" ;;
  *) case $flag in
    --*=*) set -- "$@" "$arg" ;;
    *) set -- "$@" "$flag" "${arg#* }" ;;
    esac ;;
  esac
done <<END
${ARGS:-}
END

code=0
"$program" "$@" --format github || code=$?
if [ -n "${GITHUB_OUTPUT:-}" ]; then
  echo "exit-code=$code"
  echo "artifact=$(printf %s "${REPORT:-}" | tr '/\\:*?"<>|\r\n' -)" # an artifact's name has none of these
fi >>"${GITHUB_OUTPUT:-/dev/null}"
exit "$code"
