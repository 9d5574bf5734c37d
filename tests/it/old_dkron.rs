//! Answers of Dkron 3.2.7 (FACTS 31): each job in them is read as it is meant.

use dkron_jobs::dkron::decode_jobs;
use dkron_jobs::job::{LiveJob, StringMap};
use serde_json::{Value, json};

/// What Go writes for "no instant".
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The jobs in an answer: a list of them, or one.
fn jobs(body: &Value) -> Vec<Value> {
    let list = body.as_array().cloned().unwrap_or_else(|| vec![body.clone()]);
    // Members and executions have names, too; only jobs have a schedule.
    list.into_iter().filter(|job| job.get("schedule").is_some()).collect()
}

fn map(value: &Value) -> StringMap {
    let entries = value.as_object().into_iter().flatten();
    entries.map(|(key, value)| (key.clone(), value.as_str().expect("a map of strings").to_owned())).collect()
}

fn check(live: &LiveJob, job: &Value) {
    let text = |field: &str| job[field].as_str().unwrap_or_default();
    let ours = &live.job;
    assert_eq!(&*ours.name, text("name"));
    assert_eq!(ours.displayname, text("displayname"));
    assert_eq!(ours.schedule, text("schedule"));
    assert_eq!(ours.timezone, text("timezone"));
    assert_eq!(ours.parent_job, text("parent_job"));
    assert_eq!(ours.executor, text("executor"));
    assert_eq!(ours.concurrency, text("concurrency").into());
    assert_eq!(Value::from(ours.disabled), job["disabled"]);
    assert_eq!(Value::from(ours.retries), job["retries"]);
    assert_eq!(ours.executor_config, map(&job["executor_config"]));
    assert_eq!(ours.tags, map(&job["tags"]));
    assert_eq!(ours.metadata, map(&job["metadata"]));
    assert_eq!(ours.starts_at, None, "3.2 has no such field");
    assert_eq!(live.next.is_none(), text("next") == NEVER, "{job}");
    let dependents = job["dependent_jobs"].as_array().cloned().unwrap_or_default();
    assert_eq!(json!(live.dependents), Value::from(dependents));
    // What would be posted is read back as the same definition.
    let again = decode_jobs(json!([ours]).to_string().as_bytes()).expect("our own job");
    assert_eq!(again.jobs.get(&*ours.name).expect("it is there").job, live.job);
}

#[test]
fn every_recorded_job_of_3_2_7_is_read_rightly() {
    let exchanges: Vec<Value> = include_str!("../data/exchanges-3.2.7.ndjson")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a recording"))
        .collect();
    assert_eq!(exchanges.len(), 117);
    let (mut lists, mut read, mut barriers) = (0, 0, 0);
    for exchange in &exchanges {
        let (request, response) = (&exchange["request"], &exchange["response"]);
        let expected = jobs(&response["body"]);
        let live = decode_jobs(json!(expected).to_string().as_bytes()).expect("jobs");
        assert_eq!(live.jobs.len(), expected.len());
        for job in &expected {
            check(live.jobs.get(job["name"].as_str().expect("a name")).expect("it is there"), job);
        }
        read += live.jobs.len();
        let is_list = request["path"].as_str().is_some_and(|path| path == "/v1/jobs" || path.starts_with("/v1/jobs?"));
        if is_list && request["method"] == "GET" && response["body"].is_array() {
            lists += 1;
        }
        if response["status"] == 404 && response["body"] == "specified parent job not found" {
            barriers += 1;
        }
    }
    assert_eq!((lists, barriers), (12, 1), "lists, and the barrier's answer in the same words as 4.0's");
    assert!(read > 60, "{read} jobs were read");
}
