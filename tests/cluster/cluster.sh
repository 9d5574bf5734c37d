# The cluster and the images on it. Sourced by run.

# The image of this tree, as an archive.
jobs_image() {
  if [ -n "${DKRON_JOBS_IMAGE_TAR:-}" ]; then cp "$DKRON_JOBS_IMAGE_TAR" "$work/jobs.tar"; return; fi
  local machine binary
  machine=$(uname -m)
  # As tests/image/check has just built it: musl where that can be had.
  binary=$("$root/release/build" "$machine-unknown-linux-musl" || "$root/release/build" "$machine-unknown-linux-gnu")
  "$root/tests/image/build" "$binary" "$work/jobs.tar" >&2
}

# Dkron's image, or the emulator under its name.
dkron_image() {
  if [ -n "${DKRON_IMAGE_TAR:-}" ]; then
    cp "$DKRON_IMAGE_TAR" "$work/dkron.tar"
    dkron_is="a real Dkron ($(basename "$DKRON_IMAGE_TAR"))" real=1
    return
  fi
  dkron_is="the emulator (no DKRON_IMAGE_TAR)" real=
  local target=x86_64-unknown-linux-gnu
  (cd "$root" && RUSTFLAGS='-C target-feature=+crt-static' cargo build -q -p dkron-emulator --bins --target $target) >&2 || return 1
  mkdir -p "$work/emulator"
  cp "$root/target/$target/debug/dkron-emulator" "$work/emulator/dkron" || return 1
  echo '{"architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/dkron"]}}' >"$work/emulator.json"
  "$root/tests/image/pack" docker.io/dkron/dkron:4.0.9 "$work/emulator" "$work/emulator.json" "$work/dkron.tar" >&2
}

# Why there is no cluster: what cannot run here is skipped, and said.
no_cluster() {
  say "skipped: the cluster tests: $1"
  [ -z "${TEST_SKIPS:-}" ] || echo "the cluster tests: $1" >>"$TEST_SKIPS"
}

cluster_up() {
  own=
  local tool
  for tool in jq curl; do
    command -v $tool >/dev/null || { no_cluster "there is no $tool"; return 77; }
  done
  if [ -n "${KUBECONFIG:-}" ]; then
    say "cluster: the one of KUBECONFIG; both images must be on it or where it pulls from"
    dkron_is="whatever it has as dkron/dkron:4.0.9" real=1
    return
  fi
  if [ ! -x "$kit/setup.sh" ]; then no_cluster "no KUBECONFIG, and no one-node Kubernetes in KUBE_KIT"; return 77; fi
  kube=$("$kit/setup.sh" "${KUBE_DIR:-$root/target/kube}" 2>"$work/setup.log") || {
    tail -5 "$work/setup.log"
    no_cluster "the one-node Kubernetes cannot be laid out here: $(tail -1 "$work/setup.log")"
    return 77
  }
  export PATH=$kube/bin:$PATH KUBECONFIG=$kube/kubeconfig
  jobs_image || return 1
  dkron_image || return 1
  own=1
  IMAGES="$work/jobs.tar $work/dkron.tar $kube/images/toy.tar" NPV=${NPV:-30} "$kube/up.sh" >"$work/up.log" 2>&1 || {
    tail -20 "$work/up.log"
    no_cluster "the one-node Kubernetes does not start here: $(tail -1 "$work/up.log")"
    return 77
  }
  say "cluster: one node of $kit; Dkron is $dkron_is"
}

cluster_down() {
  [ -z "${own:-}" ] || "$kube/down.sh" >/dev/null 2>&1 || say "the cluster could not be taken down; see $kube/last-log"
}

k() { kubectl "$@"; }

# helm install or upgrade of the chart in a namespace, with what the images here need.
chart() {
  local verb=$1 release=$2 namespace=$3
  shift 3
  helm "$verb" "$release" "$chart" -n "$namespace" --create-namespace --timeout 5m "$@"
}

# The events and logs of a namespace, for the log of a scenario that fails.
tell() { k -n "$1" get pods,jobs,pvc -o wide || true; k -n "$1" logs -l app.kubernetes.io/name=dkron-jobs --tail=20 || true; }

# A port of this machine to a Service: prints its URL.
forward() {
  local namespace=$1 service=$2 log=$work/forward.$RANDOM
  kubectl -n "$namespace" port-forward "service/$service" :8080 >"$log" 2>&1 &
  echo $! >>"$work/forwards"
  for _ in $(seq 100); do
    grep -q '^Forwarding from 127' "$log" 2>/dev/null && break
    sleep 0.1
  done
  sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) .*/http:\/\/127.0.0.1:\1/p' "$log" | head -1
}

forwards_down() {
  [ -f "$work/forwards" ] || return 0
  while read -r pid; do kill "$pid" 2>/dev/null || true; done <"$work/forwards"
  rm -f "$work/forwards"
}

# The jobs of a Dkron: name, owner in the stamp, schedule, url; one a line.
jobs() { curl -sf "$1/v1/jobs" | jq -r '.[] | [.name, (.metadata["dkron-jobs.owner"] // "-"), .schedule, (.executor_config.url // "-")] | @tsv'; }

# Waits until a command succeeds: seconds, command.
until_ok() {
  local limit=$1 begin
  begin=$(date +%s)
  shift
  until "$@" >/dev/null 2>&1; do
    [ $(($(date +%s) - begin)) -lt "$limit" ] || { echo "not within $limit s: $*"; "$@"; return 1; }
    sleep 0.5
  done
}

# Deletes pods, and waits until others of their names are there: namespace, pods. Not by `kubectl delete`, which can wait for ever for a
# pod that has a successor already.
replace_pods() {
  local namespace=$1 uids
  shift
  uids=$(k -n "$namespace" get pods "$@" -o jsonpath='{.items[*].metadata.uid}{.metadata.uid}')
  k -n "$namespace" delete pods "$@" --wait=false
  others() {
    local now
    now=$(k -n "$namespace" get pods "$@" -o jsonpath='{.items[*].metadata.uid}{.metadata.uid}') || return 1
    [ "$(wc -w <<<"$now")" = $# ] && ! grep -qwFf <(tr ' ' '\n' <<<"$uids") <<<"$now"
  }
  until_ok 90 others "$@"
}

# Succeeds when the command fails; `!` alone is not looked at by `set -e`.
fails() { if "$@"; then echo "succeeded, and should have failed: $*"; return 1; fi; }

# Fails when grep finds something in its input, and shows it.
nothing() { if grep "$@"; then echo "found, and should not be there"; return 1; fi; }

expect() { [ "$1" = "$2" ] || { echo "expected $2, got $1 ${3:-}"; return 1; }; }

# The log of a release's hook.
hook_log() { k -n "$2" logs "job/$(k -n "$2" get jobs -o name | sed -n "s|job.batch/\(.*$1.*hook.*\)|\1|p" | grep -v backup | head -1)"; }
