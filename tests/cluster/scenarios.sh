# The scenarios, in the order they run. Each has a namespace of its own and takes it down again. Sourced by run.

gone() { k delete namespace "$1" --wait=false >/dev/null; }

# What the image's own templates give in this namespace.
baked() { NAMESPACE=$1; "$root/target/debug/dkron-jobs" render --templates "$root/jobs-templates" --namespace "$NAMESPACE" --log-level error | jq -r .name | sort; }

one_template() {
  cat >"$1" <<YAML
jobsTemplates:
  own.yaml: |
    name: own-job
    schedule: "$2"
    executor: http
    executor_config: {method: GET, url: "{{ service('cache-manager', 8080) }}/own"}
YAML
}

scenario_install() {
  local begin url
  begin=$(date +%s.%N)
  chart install shop shop-a
  echo "FIGURE install to all jobs: $(since "$begin") s"
  url=$(forward shop-a shop-dkron)
  jobs "$url" | tee jobs.tsv
  cut -f1 jobs.tsv | sort | diff - <(baked shop-a)
  cut -f2 jobs.tsv | nothing -v '^shop-a/shop$'
  cut -f4 jobs.tsv | nothing -v 'http://[a-z-]*\.shop-a\.svc\.cluster\.local:'
}

# Goes on with the release of scenario_install, as the next ones do.
scenario_the_same_upgrade_again() {
  chart upgrade shop shop-a
  k -n shop-a logs job/shop-apply | tee hook.log
  grep -q 'nothing to do: 0 created, 0 updated, 0 deleted' hook.log
}

scenario_upgrade_with_a_changed_template() {
  one_template v1.yaml '0 0 3 * * *'
  chart upgrade shop shop-a -f v1.yaml
  one_template v2.yaml '0 0 4 * * *'
  chart upgrade shop shop-a -f v2.yaml
  jobs "$(forward shop-a shop-dkron)" | grep -P '^own-job\tshop-a/shop\t0 0 4 \* \* \*'
}

scenario_rollback() {
  helm rollback shop 3 -n shop-a --timeout 5m
  jobs "$(forward shop-a shop-dkron)" | grep -P '^own-job\tshop-a/shop\t0 0 3 \* \* \*'
  helm rollback shop 1 -n shop-a --timeout 5m
  jobs "$(forward shop-a shop-dkron)" | cut -f1 | sort | diff - <(baked shop-a)
}

scenario_helm_test() {
  helm test shop -n shop-a --logs --timeout 2m | tee test.log
  grep -q 'all as it should be' test.log
  curl -sf -X DELETE "$(forward shop-a shop-dkron)/v1/jobs/check-reference-data"
  fails helm test shop -n shop-a --timeout 2m
}

scenario_dkrons_pod_deleted() {
  local begin
  begin=$(date +%s.%N)
  replace_pods shop-a shop-dkron-0
  until_ok 60 k -n shop-a wait --for=condition=Ready pod/shop-dkron-0 --timeout=1s
  echo "FIGURE ready again: $(since "$begin") s"
  k -n shop-a create job --from=cronjob/shop-reconcile again
  k -n shop-a wait --for=condition=Complete job/again --timeout=60s
  jobs "$(forward shop-a shop-dkron)" | cut -f1 | sort | diff - <(baked shop-a)
}

scenario_uninstall_leaves_nothing_but_what_it_should() {
  helm uninstall shop -n shop-a --wait --timeout 2m
  k -n shop-a wait --for=delete pod/shop-dkron-0 --timeout=90s || true
  k -n shop-a get all,networkpolicy,pdb,pvc,configmap,secret,serviceaccount -o name | tee left.txt
  # Hooks are not Helm's to delete; the volume of Dkron is the user's data.
  nothing -vE '^(job.batch/shop-apply$|job.batch/again$|pod/(shop-apply|again)-|pod/shop-check|persistentvolumeclaim/data-shop-dkron-0$|configmap/kube-root-ca.crt$|serviceaccount/default$)' <left.txt
  gone shop-a
}

scenario_the_volume_deleted() {
  chart install shop shop-b --set backup.enabled=true --set reconcile.schedule='* * * * *'
  local url
  url=$(forward shop-b shop-dkron)
  curl -sf -X POST "$url/v1/jobs" -H 'Content-Type: application/json' \
    -d '{"name":"by-hand","schedule":"@yearly","executor":"shell","executor_config":{"command":"true"}}' >/dev/null
  k -n shop-b create job --from=cronjob/shop-backup now
  k -n shop-b wait --for=condition=Complete job/now --timeout=60s
  k -n shop-b logs job/now
  forwards_down
  local begin
  begin=$(date +%s.%N)
  k -n shop-b scale statefulset shop-dkron --replicas=0
  k -n shop-b wait --for=delete pod/shop-dkron-0 --timeout=90s
  k -n shop-b delete pvc data-shop-dkron-0 --wait=true --timeout=60s
  k -n shop-b scale statefulset shop-dkron --replicas=1
  until_ok 90 k -n shop-b wait --for=condition=Ready pod/shop-dkron-0 --timeout=1s
  url=$(forward shop-b shop-dkron)
  all_back() { jobs "$url" | cut -f1 | sort | diff - <({ baked shop-b; echo by-hand; } | sort); }
  until_ok 120 all_back
  echo "FIGURE refilled: $(since "$begin") s after the loss"
  helm uninstall shop -n shop-b --timeout 2m
  k -n shop-b get pvc shop-backups
  gone shop-b
}

scenario_a_second_namespace_cloned_from_the_first() {
  chart install shop shop-c
  chart install shop shop-d --set bakedTemplates.enabled=false -f <(echo 'jobsTemplates: {none.yaml: "[]"}')
  local from to
  from=$(forward shop-c shop-dkron) to=$(forward shop-d shop-dkron)
  "$root/target/debug/dkron-jobs" clone --from-url "$from" --from-namespace shop-c --to-namespace shop-d --dkron-url "$to" --disabled
  jobs "$to" | tee jobs.tsv
  cut -f1 jobs.tsv | sort | diff - <(baked shop-d)
  cut -f4 jobs.tsv | nothing -v '\.shop-d\.svc\.'
  chart upgrade shop shop-d --reset-values
  k -n shop-d logs job/shop-apply | tee hook.log
  grep -q '0 created, 0 updated, 0 deleted' hook.log
  "$root/target/debug/dkron-jobs" enable --only '*' --dkron-url "$to"
  expect "$(curl -sf "$to/v1/jobs" | jq '[.[] | select(.disabled)] | length')" 0
  helm uninstall shop -n shop-c; helm uninstall shop -n shop-d
  gone shop-c; gone shop-d
}

scenario_a_broken_template_and_the_next_good_one() {
  chart install shop shop-e
  printf 'jobsTemplates:\n  broken.yaml: |\n    name: "{{ nobody }}"\n' >broken.yaml
  local begin
  begin=$(date +%s.%N)
  fails chart upgrade shop shop-e -f broken.yaml
  echo "FIGURE failed after: $(since "$begin") s"
  k -n shop-e describe pods -l app.kubernetes.io/component=apply | tee describe.txt
  grep -q 'nobody' describe.txt
  grep -q 'broken.yaml:1' describe.txt
  jobs "$(forward shop-e shop-dkron)" | cut -f1 | sort | diff - <(baked shop-e)
  chart upgrade shop shop-e --reset-values
  # Not `grep -q`: it ends at the first match, and helm's next line would break the pipe.
  helm status shop -n shop-e | grep 'STATUS: deployed'
  helm uninstall shop -n shop-e
  gone shop-e
}

scenario_dkron_never_ready() {
  local begin
  begin=$(date +%s.%N)
  fails chart install shop shop-f --set dkron.enabled=false --set dkron.url=http://nobody.shop-f.svc.cluster.local:8080 \
    --set hook.waitTimeoutSeconds=15 --set hook.activeDeadlineSeconds=60
  echo "FIGURE failed after: $(since "$begin") s"
  expect "$(k -n shop-f get pods -l app.kubernetes.io/component=apply \
    -o jsonpath='{.items[0].status.containerStatuses[0].state.terminated.exitCode}')" 4
  k -n shop-f get pods -l app.kubernetes.io/component=apply -o jsonpath='{.items[0].status.containerStatuses[0].state.terminated.message}' | grep nobody
  helm uninstall shop -n shop-f
  gone shop-f
}

scenario_three_servers_and_any_pod_deleted() {
  [ -n "$real" ] || { echo "FIGURE skipped: the emulator is one server"; return 0; }
  chart install shop shop-g --set dkron.replicas=3
  local url pod begin
  for pod in shop-dkron-0 shop-dkron-1 shop-dkron-2; do
    begin=$(date +%s.%N)
    replace_pods shop-g "$pod"
    until_ok 120 k -n shop-g wait --for=condition=Ready pod/shop-dkron-0 pod/shop-dkron-1 pod/shop-dkron-2 --timeout=1s
    echo "FIGURE $pod: whole again after $(since "$begin") s"
    sleep 5
    k -n shop-g wait --for=condition=Ready pod/shop-dkron-0 pod/shop-dkron-1 pod/shop-dkron-2 --timeout=60s
    url=$(forward shop-g shop-dkron)
    jobs "$url" | cut -f1 | sort | diff - <(baked shop-g)
    forwards_down
  done
  begin=$(date +%s.%N)
  replace_pods shop-g shop-dkron-0 shop-dkron-1 shop-dkron-2
  until_ok 120 k -n shop-g wait --for=condition=Ready pod/shop-dkron-0 pod/shop-dkron-1 pod/shop-dkron-2 --timeout=1s
  echo "FIGURE all three: whole again after $(since "$begin") s"
  jobs "$(forward shop-g shop-dkron)" | cut -f1 | sort | diff - <(baked shop-g)
  helm uninstall shop -n shop-g
  gone shop-g
}

scenario_another_chart_with_the_init_container() {
  # A copy: what Helm puts beside the example is not to be kept.
  mkdir -p "$work/examples" && cp -r "$root/examples/app-chart" "$work/examples/" && cp -r "$root/charts" "$work/"
  local example=$work/examples/app-chart
  helm dependency update "$example" >/dev/null
  [ -n "$own" ] || { echo "FIGURE skipped: only the one-node Kubernetes is known to have an image for the application"; return 0; }
  helm install app "$example" -n shop-h --create-namespace --wait --timeout 4m --set dkron-jobs.dkron.image.tag="$tag" --set image=toy:1 --set args='{serve,:8080}'
  k -n shop-h get pods
  k -n shop-h get pods -o jsonpath='{range .items[*].status.initContainerStatuses[*]}{.name} {.state.terminated.exitCode}{"\n"}{end}' | tee init.txt
  grep -q '^dkron-jobs-wait 0$' init.txt
  helm uninstall app -n shop-h
  gone shop-h
}

scenario_network_policy() {
  [ -n "$own" ] || { echo "FIGURE skipped: only the one-node Kubernetes is known to enforce them and to have its image for trying"; return 0; }
  chart install shop shop-i
  # A pod elsewhere and one of the cache-manager, of the cluster's own image for trying connections.
  k create namespace elsewhere
  k -n elsewhere run stranger --image=toy:1 --image-pull-policy=IfNotPresent -- serve :8080
  k -n shop-i run stranger --image=toy:1 --image-pull-policy=IfNotPresent -- serve :8080
  k -n shop-i run cache-manager --image=toy:1 --image-pull-policy=IfNotPresent --labels app.kubernetes.io/name=cache-manager -- serve :8080
  k -n elsewhere wait --for=condition=Ready pod/stranger --timeout=60s
  k -n shop-i wait --for=condition=Ready pod/stranger pod/cache-manager --timeout=60s
  local url=http://shop-dkron.shop-i.svc.cluster.local:8080/v1/leader
  k -n shop-i exec cache-manager -- /toy get "$url" 5s
  fails k -n elsewhere exec stranger -- /toy get "$url" 3s
  fails k -n shop-i exec stranger -- /toy get "$url" 3s
  k -n shop-i create job --from=cronjob/shop-reconcile now
  k -n shop-i wait --for=condition=Complete job/now --timeout=60s
  helm uninstall shop -n shop-i
  gone shop-i; gone elsewhere
}

scenario_a_namespace_that_enforces_restricted_pods() {
  k create namespace shop-j
  k label namespace shop-j pod-security.kubernetes.io/enforce=restricted
  chart install shop shop-j --set backup.enabled=true
  chart upgrade shop shop-j --set backup.enabled=true
  helm test shop -n shop-j --timeout 2m
  k -n shop-j get pods
  k -n shop-j get events -o json | jq -r '.items[].message' | nothing 'violates PodSecurity'
  helm uninstall shop -n shop-j
  gone shop-j
}

# The first install with --wait: the class of the kit's volumes makes none before a pod wants it, as most clouds' do.
scenario_waiting_for_a_volume_that_waits_for_a_pod() {
  chart install shop shop-k --wait --timeout 90s --set backup.enabled=true --set reconcile.suspend=true
  expect "$(k -n shop-k get pvc shop-backups -o jsonpath='{.status.phase}')" Bound
  chart upgrade shop shop-k --wait --timeout 90s --set backup.enabled=true --set reconcile.suspend=true
  k -n shop-k get jobs -o name | nothing volume
  k -n shop-k logs job/shop-backup-before | grep '^saved 14 jobs'
  helm uninstall shop -n shop-k
  gone shop-k
}

scenario_rollback_to_another_service_account() {
  local begin
  chart install shop shop-l --set backup.enabled=true --set serviceAccount.name=one
  chart upgrade shop shop-l --set backup.enabled=true --set serviceAccount.name=two
  begin=$(date +%s.%N)
  helm rollback shop 1 -n shop-l --timeout 1m
  echo "FIGURE rolled back: $(since "$begin") s"
  k -n shop-l logs job/shop-backup-before | grep '^saved 14 jobs'
  helm uninstall shop -n shop-l
  gone shop-l
}

# Names that YAML would take for numbers.
scenario_a_namespace_called_2024() {
  chart install 123 2024 --set fullnameOverride=shop
  helm test 123 -n 2024 --timeout 2m
  helm uninstall 123 -n 2024
  gone 2024
}

# What another API server would say of it, this one says: types, names, limits, Pod Security.
scenario_every_values_file_is_taken_by_the_api_server() {
  local values objects
  k create namespace shop-m
  k label namespace shop-m pod-security.kubernetes.io/enforce=restricted
  # A pod by itself is refused where its ServiceAccount or its priority is not there, also in a dry run.
  k create priorityclass batch --value=1
  k -n shop-m create serviceaccount shop-jobs
  k -n shop-m create serviceaccount scheduler-jobs
  for values in "$chart"/ci/*-values.yaml; do
    helm template shop "$chart" -n shop-m --kube-version 1.34.0 -f "$values" >objects.yaml
    objects=$(grep -c '^kind:' objects.yaml || true)
    echo "$values: $objects objects"
    [ "$objects" != 0 ] || continue
    # Of what makes pods, Pod Security only warns.
    k apply --server-side --dry-run=server -f objects.yaml >taken.txt 2>warnings.txt || { cat warnings.txt; return 1; }
    nothing . <warnings.txt
    expect "$(grep -c 'serverside-applied (server dry run)$' taken.txt)" "$objects"
  done
  k delete priorityclass batch
  gone shop-m
}

# A malformed job ends the plugin for http jobs. One server of Dkron 4.1 says so on /health and is restarted; 4.0 says nothing.
scenario_a_plugin_that_exits() {
  [ -n "$real" ] || { echo "FIGURE skipped: the emulator has no plugins"; return 0; }
  local url begin
  chart install shop shop-n
  url=$(forward shop-n shop-dkron)
  # Its header has no colon.
  curl -sf -X POST "$url/v1/jobs" -H 'Content-Type: application/json' -d '{"name": "malformed", "schedule": "@manually", "executor": "http",
    "tags": {"server": "true:1"}, "executor_config": {"method": "GET", "url": "http://127.0.0.1:8080/v1/leader", "headers": "[\"none\"]"}}' >/dev/null
  begin=$(date +%s.%N)
  curl -s -X POST "$url/v1/jobs/malformed/run" >/dev/null
  curl -sf -X DELETE "$url/v1/jobs/malformed" >/dev/null
  plugin_is_dead() { curl -s "$url/health" | grep 'plugin executor-http has exited'; }
  if [ "${tag#4.0}" = "$tag" ]; then
    until_ok 10 plugin_is_dead
    restarted() { [ "$(k -n shop-n get pod shop-dkron-0 -o jsonpath='{.status.containerStatuses[0].restartCount}')" = 1 ]; }
    until_ok 120 restarted
    until_ok 60 k -n shop-n wait --for=condition=Ready pod/shop-dkron-0 --timeout=1s
    echo "FIGURE restarted and ready: $(since "$begin") s"
    forwards_down
    url=$(forward shop-n shop-dkron)
    fails plugin_is_dead
  else
    sleep 2
    expect "$(curl -s -o /dev/null -w '%{http_code}' "$url/health")" 200
  fi
  # An http job runs again, or still fails. A run answers when it has ended.
  curl -sf -X POST "$url/v1/jobs" -H 'Content-Type: application/json' -d '{"name": "good", "schedule": "@manually", "executor": "http",
    "tags": {"server": "true:1"}, "executor_config": {"method": "GET", "url": "http://127.0.0.1:8080/v1/leader", "expectCode": "200"}}' >/dev/null
  curl -s -X POST "$url/v1/jobs/good/run" >/dev/null
  good_has_run() { [ "$(curl -s "$url/v1/jobs/good" | jq '.success_count + .error_count')" = 1 ]; }
  until_ok 20 good_has_run
  expect "$(curl -s "$url/v1/jobs/good" | jq .success_count)" "$([ "${tag#4.0}" = "$tag" ] && echo 1 || echo 0)"
  helm uninstall shop -n shop-n
  gone shop-n
}

# The commands of docs/with-helm.md, and that they print what the page shows.
scenario_the_guide() {
  [ -n "$own" ] || { echo "FIGURE skipped: only the one-node Kubernetes is known to have the image under the name in the page's values"; return 0; }
  [ "$tag" = "$default_tag" ] || { echo "FIGURE skipped: the page installs the chart's own Dkron, $default_tag"; return 0; }
  (cd "$root" && GUIDE_CLUSTER=1 cargo test --quiet --test it guides::with_helm)
}
