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

# Dkron's images as archives in $work, and their tags; without any, the emulator under the name of the chart's own.
dkron_images() {
  local archive name
  for archive in ${DKRON_IMAGE_TAR:-}; do
    name=$(tar -xOf "$archive" index.json | jq -r '.manifests[0].annotations | .["io.containerd.image.name"] // .["org.opencontainers.image.ref.name"]')
    tags+=("${name##*:}")
    cp "$archive" "$work/dkron-${name##*:}.tar"
  done
  if [ ${#tags[@]} != 0 ]; then
    dkron_is="a real one, ${tags[*]}" real=1
    return
  fi
  dkron_is="the emulator (no DKRON_IMAGE_TAR)" real='' tags=("$default_tag")
  local target=x86_64-unknown-linux-gnu
  (cd "$root" && RUSTFLAGS='-C target-feature=+crt-static' cargo build -q -p dkron-emulator --bins --target $target) >&2 || return 1
  mkdir -p "$work/emulator"
  cp "$root/target/$target/debug/dkron-emulator" "$work/emulator/dkron" || return 1
  echo '{"architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/dkron"]}}' >"$work/emulator.json"
  "$root/tests/image/pack" "docker.io/dkron/dkron:$default_tag" "$work/emulator" "$work/emulator.json" "$work/dkron-$default_tag.tar" >&2
}

# Why there is no cluster: what cannot run here is skipped, and said.
no_cluster() {
  say "skipped: the cluster tests: $1"
  [ -z "${TEST_SKIPS:-}" ] || echo "the cluster tests: $1" >>"$TEST_SKIPS"
}

cluster_up() {
  own='' tags=()
  default_tag=$(sed -n '/repository: dkron\/dkron$/,/ tag:/s/^ *tag: "\(.*\)"/\1/p' "$chart/values.yaml")
  local tool
  for tool in jq curl; do
    command -v $tool >/dev/null || { no_cluster "there is no $tool"; return 77; }
  done
  if [ -n "${KUBECONFIG:-}" ]; then
    read -ra tags <<<"${DKRON_TAGS:-$default_tag}"
    say "cluster: the one of KUBECONFIG; dkron-jobs and dkron/dkron (${tags[*]}) must be on it or where it pulls from"
    real=1
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
  dkron_images || return 1
  own=1
  IMAGES="$work/jobs.tar $(echo "$work"/dkron-*.tar) $kube/images/toy.tar" NPV=${NPV:-100} "$kube/up.sh" >"$work/up.log" 2>&1 || {
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

# helm install or upgrade of the chart in a namespace, with the Dkron of this round.
chart() {
  local verb=$1 release=$2 namespace=$3
  shift 3
  helm "$verb" "$release" "$chart" -n "$namespace" --create-namespace --timeout 5m --set dkron.image.tag="$tag" "$@"
}

# Waits until the namespaces of an earlier round are gone: those of the next have the same names.
namespaces_are_gone() {
  local namespace
  for namespace in $(k get namespaces -o json | jq -r '.items[] | select(.status.phase == "Terminating") | .metadata.name'); do
    k wait --for=delete "namespace/$namespace" --timeout=180s >/dev/null
  done
}

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
