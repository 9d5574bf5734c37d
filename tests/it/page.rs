//! The page of lint, as text: what is in it, how large it is, and that nothing of a job's becomes markup.

use std::collections::BTreeSet;
use std::fmt::Write;

use dkron_jobs::cache::{Caches, DEFAULT_KEY, Key};
use dkron_jobs::job::{Job, JobMap, Origin, Wanted};
use dkron_jobs::lint::{Circumstances, Findings, Others, Subjects, lint_and_cover};
use dkron_jobs::page::{self, Page};
use dkron_jobs::render::{Places, Source, TableFormat};
use dkron_jobs::report::Masker;
use dkron_jobs::schedule::{Schedule, refresh_schedule, stagger};
use dkron_jobs::table::Table;
use jiff::{SignedDuration, Timestamp};

use crate::cli::Cli;

/// A Monday.
pub(crate) const FROM: &str = "2026-10-05T00:00:00Z";

/// Jobs, and the table of caches that they are for.
pub(crate) struct Set {
    pub(crate) jobs: Vec<Job>,
    /// Fields that hold a secret, of all jobs.
    pub(crate) secret_fields: BTreeSet<String>,
    /// As CSV; `None` where it is not known.
    pub(crate) table: Option<String>,
    pub(crate) from: Timestamp,
    pub(crate) masker: Masker,
    pub(crate) title: String,
}

impl Set {
    pub(crate) fn new(jobs: Vec<Job>, table: Option<&str>) -> Self {
        Self {
            jobs,
            secret_fields: BTreeSet::new(),
            table: table.map(str::to_owned),
            from: FROM.parse().expect("an instant"),
            masker: Masker::default(),
            title: "shop/dkron-jobs".to_owned(),
        }
    }

    /// Lints and writes the page.
    pub(crate) fn page(&self) -> String {
        let wanted = |job: &Job| {
            let origin = Origin { file: "jobs-templates/cache-refresh.yaml".into(), line: 9 };
            let wanted = Wanted { job: job.clone(), secret_fields: self.secret_fields.clone(), origin };
            (job.name.clone(), wanted)
        };
        let jobs: JobMap<Wanted> = self.jobs.iter().map(wanted).collect();
        let caches = self.table.as_ref().map(|text| {
            let source = Source { file: "cache_param.csv".to_owned(), text: text.clone() };
            Caches::of(&Table::parse(&source, TableFormat::Csv, None).unwrap_or_else(|problem| panic!("{problem}")))
        });
        let key = Key::parse(DEFAULT_KEY).expect("a key");
        let circumstances = Circumstances {
            namespace: "shop",
            caches: caches.as_ref(),
            key: &key,
            stampede: 10,
            allow: &BTreeSet::new(),
            now: self.from,
            others: Others::None,
        };
        let (found, coverage) = lint_and_cover(&jobs, &circumstances);
        let findings = Findings::new(found, Vec::new(), &Places::default(), &self.masker).with(coverage);
        let subjects = Subjects::new(&jobs, &key);
        let page = Page {
            title: &self.title,
            findings: &findings,
            subjects: &subjects,
            wanted: &|_| true,
            circumstances: &circumstances,
            from: self.from,
            masker: &self.masker,
        };
        let mut out = Vec::new();
        page::write(&mut out, &page).expect("a page");
        String::from_utf8(out).expect("a page is text")
    }
}

/// A job that refreshes a cache.
pub(crate) fn job(name: &str, schedule: &str, cache: &str) -> Job {
    let mut job = Job::new(name);
    schedule.clone_into(&mut job.schedule);
    "http".clone_into(&mut job.executor);
    for (key, value) in [
        ("method", "POST"),
        ("url", "http://cache-manager.shop.svc.cluster.local:8080/refresh"),
        ("expectCode", "200"),
        ("timeout", "30"),
    ] {
        job.executor_config.insert(key.to_owned(), value.to_owned());
    }
    job.tags.insert("server".to_owned(), "true:1".to_owned());
    if !cache.is_empty() {
        job.metadata.insert("cache_param".to_owned(), cache.to_owned());
    }
    job
}

/// So many caches with a job each, as templates give them; one in 25 has something wrong with it.
pub(crate) fn many(count: usize) -> Set {
    let mut table = "name,soft_ttl,hard_ttl\n".to_owned();
    let mut jobs = Vec::new();
    let ttls =
        [(60, 300), (120, 180), (300, 600), (300, 450), (600, 3_600), (900, 1_800), (3_600, 5_400), (7_200, 86_400)];
    for number in 0..count {
        let cache = format!("cache-{}-{number:05}", ["accounts", "alarms", "devices", "orders", "tickets"][number % 5]);
        let (soft, hard) = ttls[number % ttls.len()];
        writeln!(table, "{cache},{soft},{hard}").expect("a string");
        let name = format!("refresh-{cache}");
        let ttl = SignedDuration::from_secs;
        let schedule = refresh_schedule(&name, ttl(soft), Some(ttl(hard))).expect("a schedule");
        let mut job = job(&name, &schedule, &cache);
        if number % 3 == 1 {
            let url = format!("http://cache-manager-{}.shop.svc.cluster.local:8080/refresh", number % 7);
            job.executor_config.insert("url".to_owned(), url);
        }
        match number % 150 {
            10 => continue,
            30 => job.disabled = true,
            50 => job.schedule = format!("{} */7 * * * *", stagger(&name, 60)),
            70 => drop(job.executor_config.remove("expectCode")),
            90 => drop(job.metadata.insert("cache_param".to_owned(), format!("{cache}s"))),
            130 => "0 0 * * * *".clone_into(&mut job.schedule),
            _ => {}
        }
        jobs.push(job);
    }
    Set::new(jobs, Some(&table))
}

/// Texts that would be markup if anything forgot to escape them, or that would hide what is beside them.
pub(crate) const HOSTILE: [&str; 8] = [
    "</script><img src=x onerror=alert(1)>",
    "\"'><svg onload=alert(1)>",
    "' onmouseover='alert(1)",
    "</style></title></svg><script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}<b>bold</b>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "a\u{2028}b\u{202e}c\u{0}d\ne",
    "]]><!--<iframe src=javascript:alert(1)>`<u>`",
];

/// Jobs with those texts wherever a job has any, and caches of such names.
pub(crate) fn hostile() -> Set {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["name", "soft_ttl", "hard_ttl"]).expect("a row");
    let mut jobs = Vec::new();
    for (index, text) in HOSTILE.into_iter().enumerate() {
        table.write_record([text, "60", "120"]).expect("a row");
        // A job that is never late, one of a schedule that Dkron refuses, and a child.
        let mut kept = job(text, "*/10 * * * * *", text);
        kept.executor_config.insert("url".to_owned(), format!("http://host{index}/{text}"));
        kept.executor_config.insert("body".to_owned(), text.to_owned());
        kept.executor_config.insert(text.to_owned(), text.to_owned());
        kept.metadata.insert("dkron-jobs.lint-allow".to_owned(), format!("unknown-executor-key: {text}"));
        let mut refused = job(&format!("refused-{index}"), text, &format!("{text}?"));
        text.clone_into(&mut refused.timezone);
        refused.executor_config.insert("timeout".to_owned(), text.to_owned());
        refused.executor_config.insert("url".to_owned(), text.to_owned());
        let mut child = job(&format!("child-{index}"), "", "");
        text.clone_into(&mut child.parent_job);
        text.clone_into(&mut child.executor);
        jobs.extend([kept, refused, child]);
    }
    let table = String::from_utf8(table.into_inner().expect("a table")).expect("text");
    let mut set = Set::new(jobs, Some(&table));
    set.title = HOSTILE.concat();
    set
}

/// The jobs of this repository's own templates, and a few more: late, switched off, `@every`, refused, a stampede.
pub(crate) fn mixed() -> Set {
    let table = "name,soft_ttl,hard_ttl,enabled\naccounts,300,600,true\nalarms,60,300,true\nbandwidth,120,180,true\ncatalog,86400,172800,true\n\
        contracts,3600,5400,true\ndevices,600,3600,true\ninvoices,7200,86400,true\nlocations,43200,86400,true\norders,300,480,true\n\
        services,900,1800,true\nsla-reports,1800,3600,true\ntickets,120,600,true\ntraffic-history,3600,7200,false\nprices,1800,,true\n";
    let mut jobs = Vec::new();
    for (cache, soft, hard) in [
        ("accounts", 300, 600),
        ("alarms", 60, 300),
        ("bandwidth", 120, 180),
        ("catalog", 86_400, 172_800),
        ("devices", 600, 3_600),
        ("invoices", 7_200, 86_400),
    ] {
        let (name, ttl) = (format!("refresh-{cache}"), SignedDuration::from_secs);
        let schedule = refresh_schedule(&name, ttl(soft), Some(ttl(hard))).expect("a schedule");
        jobs.push(job(&name, &schedule, cache));
    }
    jobs.push(job("refresh-contracts", "0 0 8-18 * * MON-FRI", "contracts"));
    jobs.push(job("refresh-locations", "0 0 6,18 * * *", "locations"));
    jobs.push(job("refresh-orders", "0 */7 * * * *", "orders"));
    jobs.push(job("refresh-prices", "0 0 * * * *", "prices"));
    let mut off = job("refresh-services", "0 */10 * * * *", "services");
    off.disabled = true;
    let mut child = job("check-accounts", "", "");
    "refresh-accounts".clone_into(&mut child.parent_job);
    let mut leak = job("purge-logs", "@every 36h", "");
    leak.executor_config.remove("expectCode");
    jobs.extend([off, child, leak, job("refresh-sla-reports", "0 0 25 * * *", "sla-reports")]);
    for number in 0..14 {
        let mut report = job(&format!("report-{number:02}"), "0 */30 8-18 * * *", "");
        report.executor_config.insert("url".to_owned(), "http://reports.shop.svc.cluster.local:8080/run".to_owned());
        let allow = "job-without-cache: a report is no cache";
        report.metadata.insert("dkron-jobs.lint-allow".to_owned(), allow.to_owned());
        jobs.push(report);
    }
    Set::new(jobs, Some(table))
}

/// The stretches that a path of this class covers in a lane, in seconds from the start of the day.
fn stretches(lane: &str, class: &str) -> Vec<(i64, i64)> {
    let Some((_, path)) = lane.split_once(&format!("<path class={class} d=\"M")) else { return Vec::new() };
    let (path, _) = path.split_once("/>").expect("an end");
    let number = |text: &str| text.trim_matches('"').parse::<i64>().unwrap_or_else(|_| panic!("{text}"));
    let (from, rest) = path.split_once(' ').expect("a height");
    let (_, to) = rest.split_once('H').expect("a line");
    let (to, dash) = to.split_once(" stroke-dasharray=").unwrap_or((to, ""));
    let (from, to) = (number(from), number(to));
    let mut pattern = dash.split_whitespace().map(number).collect::<Vec<_>>();
    if pattern.is_empty() {
        pattern = vec![to - from, 0];
    }
    assert_eq!(pattern.len() % 2, 0, "{dash}");
    let (mut at, mut stretches) = (from, Vec::new());
    for pair in pattern.chunks(2).cycle() {
        if at >= to || pair[0] + pair[1] == 0 {
            break;
        }
        stretches.push((at, (at + pair[0]).min(to)));
        at += pair[0] + pair[1];
    }
    stretches
}

/// The lane of this name.
fn lane<'p>(page: &'p str, name: &str) -> &'p str {
    let (_, lane) = page.split_once(&format!("<g><title>{name}: ")).unwrap_or_else(|| panic!("no lane of {name}"));
    lane.split_once("</g>").expect("an end").0
}

/// Schedules of all kinds: sparse and dense, regular and not, of other time zones and around a change of their clocks.
const SCHEDULES: [(&str, &str); 16] = [
    ("* * * * * *", ""),
    ("*/7 * * * * *", ""),
    ("13 * * * * *", ""),
    ("13 */2 * * * *", ""),
    ("0 */7 * * * *", ""),
    ("59 59 23 * * *", ""),
    ("0 0 0 * * *", ""),
    ("0 0 8-18 * * MON-FRI", ""),
    ("0 0 8-18 * * SAT", ""),
    ("0 1,2,3,17,40 */3 * * *", ""),
    ("30 */20 1-4 * * *", "Europe/Paris"),
    ("0 30 2 * * *", "Europe/Paris"),
    ("0 0 0 1 1 *", ""),
    ("0,1,50 * 12 * * *", ""),
    ("*/30 0-10,40-50 * * * *", ""),
    ("@hourly", ""),
];

#[test]
fn lanes_tell_when_jobs_run_and_when_a_value_is_old() {
    // The second is the day on which clocks go back in Europe.
    for from in [FROM, "2026-10-25T00:00:00Z", "2026-10-05T13:17:05Z"] {
        for (soft, hard) in [(60, Some(90)), (1_800, Some(5_400)), (3_600, None), (90_000, Some(200_000))] {
            let hard_text = hard.map_or_else(String::new, |hard: i64| hard.to_string());
            let (mut jobs, mut table) = (Vec::new(), "name,soft_ttl,hard_ttl\n".to_owned());
            for (index, (schedule, timezone)) in SCHEDULES.iter().enumerate() {
                writeln!(table, "cache-{index},{soft},{hard_text}").expect("a string");
                let mut job = job(&format!("job-{index}"), schedule, &format!("cache-{index}"));
                (*timezone).clone_into(&mut job.timezone);
                jobs.push(job);
            }
            let mut set = Set::new(jobs, Some(&table));
            set.from = from.parse().expect("an instant");
            let page = set.page();
            for (index, (text, timezone)) in SCHEDULES.iter().enumerate() {
                let lane = lane(&page, &format!("cache-{index}"));
                let what = format!("{text} from {from}, TTLs {soft} and {hard:?}");
                let schedule = Schedule::parse(text, "job", timezone).expect("a schedule");
                check_lane(lane, &runs(&schedule, set.from), soft, hard, &what);
            }
        }
    }
}

/// All runs from 366 days before the day to its end, in seconds from its start.
fn runs(schedule: &Schedule, from: Timestamp) -> Vec<i64> {
    // Of dense ones, the last days are enough.
    let day = SignedDuration::from_hours(24);
    let dense = schedule.gaps().is_some_and(|gaps| gaps.worst < day);
    let mut at = from - if dense { day * 2 } else { day * 366 };
    let mut runs = Vec::new();
    while let Some(run) = schedule.next(at).filter(|run| *run < from + day) {
        runs.push(run.as_second() - from.as_second());
        at = run;
    }
    runs
}

fn check_lane(picture: &str, runs: &[i64], soft: i64, hard: Option<i64>, what: &str) {
    let covered = |class: &str| {
        let mut covered = vec![false; 86_400];
        for (from, to) in stretches(picture, class) {
            for second in from.max(0)..to.min(86_400) {
                covered[usize::try_from(second).expect("a second of the day")] = true;
            }
        }
        covered
    };
    let (ticks, dense, late, gone) = (covered("t"), covered("d"), covered("l"), covered("x"));
    let mut past = runs.iter().copied().peekable();
    let mut last = None;
    for second in 0..86_400_i64 {
        let mut now = false;
        while let Some(run) = past.next_if(|run| *run <= second) {
            last = Some(run);
            now = run == second;
        }
        let index = usize::try_from(second).expect("a second");
        let drawn = ticks[index] || dense[index];
        assert!(drawn || !now, "{what}: the run at {second} is drawn");
        let near = last.is_some_and(|last| last >= 0 && second - last < 120);
        assert!(near || !drawn, "{what}: nothing runs at {second}");
        let age = last.map_or(i64::MAX, |last| second - last);
        let is_gone = hard.is_some_and(|hard| age >= hard);
        assert_eq!(gone[index], is_gone, "{what}: gone at {second}, {age} s after the last run");
        assert_eq!(late[index], age >= soft && !is_gone, "{what}: late at {second}, {age} s after the last run");
    }
    for (from, to) in stretches(picture, "t") {
        assert!(runs.contains(&from) && to - from <= 80, "{what}: a tick at {from}");
    }
}

/// As Dkron runs it then, and `status` says.
#[test]
fn a_run_at_the_very_end_is_one() {
    let mut last = job("last", "0 0 0 * * *", "");
    last.expires_at = FROM.parse().ok();
    let page = Set::new(vec![last.clone()], None).page();
    assert_eq!(stretches(lane(&page, "last"), "t"), [(0, 80)]);
    assert!(page.contains("<td>00:00:00") && !page.contains("<td>never"), "{page}");
    last.expires_at = last.expires_at.map(|end| end - SignedDuration::from_nanos(1));
    let page = Set::new(vec![last], None).page();
    assert_eq!(stretches(lane(&page, "last"), "t"), []);
    assert!(page.contains("<td>never"), "{page}");
}

#[test]
fn the_same_jobs_give_the_same_bytes() {
    for set in [mixed(), hostile()] {
        assert!(set.page() == set.page());
    }
}

#[test]
fn nothing_of_a_job_becomes_markup() {
    let page = hostile().page();
    for text in
        ["<img", "<svg onload", "<b>bold", "<iframe", "<u>", "' onmouseover='", "\u{2028}", "\u{202e}", "\0", "<!--"]
    {
        assert!(!page.contains(text), "{text:?} is in the page as it was");
    }
    assert_eq!(page.matches("<script").count(), 1);
    assert_eq!(page.matches("</style>").count(), 1);
    assert_eq!(page.matches("</title>").count(), page.matches("<title").count());
    assert!(page.contains("{{ 7 * 7 }}{% raw %}"), "a template in a job is no template");
}

#[test]
fn no_secret_is_in_it() {
    let secrets = ["hunter2-hunter2", "s3cret"];
    let mut one = job("refresh-a", "0 */5 * * * *", "hunter2-hunter2");
    one.executor_config.insert("url".to_owned(), "http://me:pass1@hunter2-hunter2.example:80/x?token=abc".to_owned());
    one.executor_config.insert("hunter2-hunter2".to_owned(), "x".to_owned());
    one.executor_config.insert("headers".to_owned(), "[\"Authorization: Bearer hunter2-hunter2\"]".to_owned());
    let mut two = job("refresh-b", "0 */5 * * * s3c", "s3cret");
    two.executor_config.insert("url".to_owned(), "http://b4d/".to_owned());
    two.executor_config.insert("timeout".to_owned(), "b4d".to_owned());
    let mut set = Set::new(vec![one, two], Some("name,soft_ttl,hard_ttl\nhunter2-hunter2,60,90\na,1,2\n"));
    set.masker = Masker::new(secrets.map(str::to_owned));
    set.secret_fields = ["executor_config.url", "executor_config.timeout", "schedule"].map(str::to_owned).into();
    let page = set.page();
    // The last two are too short to be looked for: their fields are known.
    for secret in secrets.iter().chain(&["pass1", "b4d", "s3c"]) {
        assert!(!page.contains(secret), "{secret} is in the page");
    }
    assert!(page.contains("refresh-a: ") || page.contains("refresh-b: "), "the jobs are");
}

#[test]
fn what_is_not_there_is_said() {
    let none = Set::new(Vec::new(), None).page();
    for words in [
        "No table <code>cache_param</code>: coverage is not known",
        "There are no jobs.",
        "no job",
        "neither jobs nor caches",
    ] {
        assert!(none.to_lowercase().contains(&words.to_lowercase()), "{words}");
    }
    let fine = Set::new(vec![job("refresh-a", "0 * * * * *", "a")], Some("name,soft_ttl,hard_ttl\na,120,600\n")).page();
    assert!(fine.contains("Nothing is wrong, as far as the rules can tell."));
    let empty = Set::new(vec![job("refresh-a", "0 * * * * *", "a")], Some("name,soft_ttl\nb,\n")).page();
    assert!(empty.contains("has no row that can be understood"));
}

#[test]
fn the_command_writes_it_and_the_same_twice() {
    let cli = Cli::new()
        .file("jobs-templates/data/cache_param.csv", "name,soft_ttl,hard_ttl\naccounts,300,450\norders,60,90\n")
        .file(
            "jobs-templates/caches.yaml",
            "for_each: cache_param\nname: \"refresh-{{ item.name }}\"\nschedule: 0 */5 * * * *\nexecutor_config:\n  \
             method: POST\n  url: \"http://cache-manager:8080/{{ vars.token }}\"\nmetadata: {cache_param: \"{{ item.name }}\"}\n",
        )
        .file("vars/token", "hunter2-hunter2")
        .env("JOBS_VARS_DIR", "vars");
    // What is wrong is in it, and the exit code says so all the same.
    let ran = cli.run(&["lint", "--html", "public/lint.html"]).exits(6);
    assert!(ran.stderr.contains("the page is in public/lint.html"), "{ran}");
    let read = |cli: &Cli| std::fs::read_to_string(cli.path("public/lint.html")).expect("the page");
    let page = read(&cli);
    for text in ["<h1>default/dkron-jobs</h1>", "schedule-slower-than-soft-ttl", "caches.yaml:3:1", "<li><span>orders"]
    {
        assert!(page.contains(text), "{text} is not in it");
    }
    assert!(!page.contains("hunter2"), "a secret");
    let ran = cli.run(&["lint", "--html", "public/lint.html", "--output", "json"]).exits(6);
    assert_eq!(ran.json()["summary"]["errors"], 2);
    assert!(read(&cli) == page, "the same bytes");
    let left = std::fs::read_dir(cli.path("public")).expect("a folder").count();
    assert_eq!(left, 1, "nothing else is left there");

    // Only what is asked for.
    let _ = cli.run(&["lint", "--only", "refresh-orders", "--html", "public/lint.html"]).exits(6);
    let page = read(&cli);
    assert!(page.contains("refresh-orders") && !page.contains("refresh-accounts"));

    let ran = cli.run(&["lint", "--html", "vars"]).exits(1);
    assert!(ran.stderr.contains("--html (JOBS_LINT_HTML): vars cannot be written"), "{ran}");
}

#[test]
fn five_hundred_jobs_are_under_300_kb() {
    let page = many(500).page();
    assert!(page.len() < 300_000, "{} bytes", page.len());
}

/// Makes the page of a set as large as it can be: schedules without a pattern, and words of its own for each job.
fn spoil(set: &mut Set) {
    for (number, job) in set.jobs.iter_mut().enumerate() {
        job.schedule = format!("{} {},{},{} */5 * * *", number % 60, number % 7, 11 + number % 13, 40 + number % 17);
        job.executor_config.remove("expectCode");
        job.executor_config.insert("timeout".to_owned(), format!("{number}s"));
        job.executor_config.insert(format!("key{number}"), String::new());
    }
}

#[test]
fn odd_times_and_four_notes_a_job_cost_a_kilobyte_and_a_half() {
    let mut set = many(500);
    spoil(&mut set);
    let page = set.page();
    assert!(page.len() < 500 * 1_536, "{} bytes", page.len());
}

#[test]
fn a_run_each_second_is_one_line() {
    let jobs = (0..50).map(|number| job(&format!("job-{number}"), "* * * * * *", "")).collect();
    let page = Set::new(jobs, None).page();
    assert!(page.len() < 60_000, "{} bytes", page.len());
    assert_eq!(stretches(lane(&page, "job-7"), "d"), [(0, 86_400)]);
}

#[test]
fn ten_thousand_jobs_are_under_6_mb() {
    let mut set = many(10_000);
    spoil(&mut set);
    let page = set.page();
    assert!(page.len() < 6_000_000, "{} bytes", page.len());
    for words in ["more are left out here", "more lanes are left out here"] {
        assert!(page.contains(words), "what is left out is said");
    }
}
