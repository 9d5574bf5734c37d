# Dkron goes from 4.0 to 4.1 and back while jobs are changed: each run is counted at a target in the cluster. Sourced by run.

# Fails, with the reason on a line FIGURE, where these scenarios cannot run. They run in the round of the newer version, once.
both_versions() {
  older='' newer=''
  local one
  for one in "${tags[@]}"; do
    case $one in 4.0*) older=$one ;; 4.1*) newer=$one ;; esac
  done
  if [ -z "$real" ]; then echo "FIGURE skipped: the emulator keeps nothing on its volume"; return 1; fi
  if [ -z "$own" ]; then echo "FIGURE skipped: only the one-node Kubernetes is known to have the image of the target"; return 1; fi
  if [ -z "$older" ] || [ -z "$newer" ]; then echo "FIGURE skipped: an upgrade needs images of 4.0 and 4.1 in DKRON_IMAGE_TAR"; return 1; fi
  if [ "$tag" != "$newer" ]; then echo "FIGURE skipped: it runs with $newer"; return 1; fi
}

# A target that logs which job of which release calls it.
target() {
  k create namespace "$1"
  k -n "$1" run target --image=toy:1 --image-pull-policy=IfNotPresent --port=8080 --expose -- serve :8080
  k -n "$1" wait --for=condition=Ready pod/target --timeout=60s
}

# Values with 60 jobs that do not run now, 20 `changed` ones that run in one half of each half minute, and so many `new` ones: namespace,
# `first` or `second` half, number. A busy machine runs them some seconds late, so there is room for that.
counted() {
  local i at=0
  [ "$2" = first ] || at=15
  cat <<YAML
bakedTemplates: {enabled: false}
reconcile: {suspend: true}
networkPolicy:
  extraFrom: [{podSelector: {matchLabels: {app.kubernetes.io/name: dkron-jobs}}}]
jobsTemplates:
  counted.yaml: |
    for_each: counted
    name: "{{ item.name }}"
    schedule: "{{ item.schedule }}"
    executor_config: {method: POST, url: "http://target.$1.svc.cluster.local:8080/items", body: "{{ release }}-{{ item.name }}"}
data:
  counted:
YAML
  for i in $(seq 60); do echo "    - {name: rests-$i, schedule: '0 0 3 1 1 *'}"; done
  for i in $(seq 20); do echo "    - {name: changed-$i, schedule: '$((at + i % 5))/30 * * * * *'}"; done
  for i in $(seq "$3"); do echo "    - {name: new-$i, schedule: '$((5 + i % 5))/30 * * * * *'}"; done
}

# Waits until the servers have been replaced, and until a new leader's scheduler has surely started.
settled() {
  k -n "$1" rollout status statefulset/shop-dkron --timeout=240s
  sleep 15
}

# The runs of a minute are these: namespace, half in which the `changed` jobs run, number of `new` ones, releases.
runs_are() {
  local namespace=$1 half=$2 new=$3 begin release i
  shift 3
  begin=$((($(date +%s) / 30 + 1) * 30))
  sleep $((begin + 61 - $(date +%s)))
  k -n "$namespace" logs target --since=120s |
    awk -v from="$(date -u -d "@$begin" '+%Y/%m/%d %H:%M:%S')" -v to="$(date -u -d "@$((begin + 60))" '+%Y/%m/%d %H:%M:%S')" '
      $1 " " $2 >= from && $1 " " $2 < to && $3 == "POST" {
        gsub(/"/, "", $4)
        print $4, ($4 ~ /changed/ ? (substr($2, 7, 2) % 30 < 15 ? "first" : "second") : "any")
      }' | sort | uniq -c | awk '{ print $1, $2, $3 }' | sort >runs.txt
  for release in "$@"; do
    for i in $(seq 20); do echo "2 $release-changed-$i $half"; done
    for i in $(seq "$new"); do echo "2 $release-new-$i any"; done
  done | sort >wanted.txt
  diff wanted.txt runs.txt
  echo "FIGURE $(wc -l <wanted.txt) of $(wc -l <wanted.txt) run as written"
}

# The hook of a release ended well, and before its deadline: namespace, release, when it began.
hook_was_in_time() {
  k -n "$1" get job "$2-apply" -o json | jq -e 'any(.status.conditions[]; .type == "Complete" and .status == "True")' >/dev/null
  echo "FIGURE $2: $(since "$3") s"
}

# helm upgrade of the release that has Dkron, to the newer version with changed and new jobs: namespace, servers.
to_newer() {
  chart upgrade shop "$1" --set dkron.replicas="$2" --set dkron.image.tag="$newer" -f <(counted "$1" second 20)
}

# Waits until Helm has given the StatefulSet another image: from then on the servers are replaced.
is_going_on() {
  goes_on() { k -n "$1" get statefulset shop-dkron -o jsonpath='{.spec.template.spec.containers[0].image}' | grep ":$newer\$" >/dev/null; }
  until_ok 60 goes_on "$1"
}

upgraded_and_back() { # upgraded_and_back NAMESPACE SERVERS
  local begin
  both_versions || return 0
  target "$1"
  chart install shop "$1" --set dkron.replicas="$2" --set dkron.image.tag="$older" -f <(counted "$1" first 0)
  begin=$(date +%s.%N)
  to_newer "$1" "$2"
  hook_was_in_time "$1" shop "$begin"
  k -n "$1" logs job/shop-apply | tee hook.log
  grep -q '20 created, 20 updated, 0 deleted' hook.log
  settled "$1"
  runs_are "$1" second 20 shop
  helm test shop -n "$1" --timeout 4m
  begin=$(date +%s.%N)
  helm rollback shop 1 -n "$1" --timeout 5m
  hook_was_in_time "$1" shop "$begin"
  k -n "$1" logs job/shop-apply | tee hook.log
  grep -q '0 created, 20 updated, 20 deleted' hook.log
  settled "$1"
  runs_are "$1" first 0 shop
  helm test shop -n "$1" --timeout 4m
  helm uninstall shop -n "$1"
  gone "$1"
}

scenario_upgrade_of_one_server_and_back() { upgraded_and_back shop-o 1; }

scenario_upgrade_of_three_servers_and_back() { upgraded_and_back shop-p 3; }

# Two releases with jobs in the same Dkron are upgraded at once, while its servers are replaced.
two_releases() { # two_releases NAMESPACE SERVERS
  local begin upgrade url
  both_versions || return 0
  target "$1"
  chart install shop "$1" --set dkron.replicas="$2" --set dkron.image.tag="$older" -f <(counted "$1" first 0)
  url=http://shop-dkron$([ "$2" = 1 ] || echo -headless).$1.svc.cluster.local:8080
  other() { chart "$1" other "$2" --set dkron.enabled=false --set dkron.url="$url" --set namePrefix=other- -f <(counted "$2" "$3" "$4"); }
  other install "$1" first 0
  begin=$(date +%s.%N)
  to_newer "$1" "$2" >upgrade.log 2>&1 &
  upgrade=$!
  is_going_on "$1"
  other upgrade "$1" second 20
  wait $upgrade || { cat upgrade.log; return 1; }
  hook_was_in_time "$1" shop "$begin"
  hook_was_in_time "$1" other "$begin"
  settled "$1"
  runs_are "$1" second 20 shop other
  helm test shop -n "$1" --timeout 4m
  helm test other -n "$1" --timeout 4m
  helm uninstall other -n "$1"; helm uninstall shop -n "$1"
  gone "$1"
}

scenario_two_releases_during_an_upgrade_of_one_server() { two_releases shop-q 1; }

scenario_two_releases_during_an_upgrade_of_three_servers() { two_releases shop-r 3; }

# The CronJob that reconciles starts while the servers are replaced.
reconciled() { # reconciled NAMESPACE SERVERS
  local begin upgrade
  both_versions || return 0
  target "$1"
  chart install shop "$1" --set dkron.replicas="$2" --set dkron.image.tag="$older" -f <(counted "$1" first 0)
  begin=$(date +%s.%N)
  to_newer "$1" "$2" >upgrade.log 2>&1 &
  upgrade=$!
  is_going_on "$1"
  k -n "$1" create job --from=cronjob/shop-reconcile during
  wait $upgrade || { cat upgrade.log; return 1; }
  hook_was_in_time "$1" shop "$begin"
  k -n "$1" wait --for=condition=Complete job/during --timeout=240s
  k -n "$1" logs job/during
  settled "$1"
  runs_are "$1" second 20 shop
  helm test shop -n "$1" --timeout 4m
  helm uninstall shop -n "$1"
  gone "$1"
}

scenario_reconcile_during_an_upgrade_of_one_server() { reconciled shop-s 1; }

scenario_reconcile_during_an_upgrade_of_three_servers() { reconciled shop-t 3; }
