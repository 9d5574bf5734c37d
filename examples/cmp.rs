#![allow(warnings)]
use dkron_jobs::schedule::*;
use std::io::BufRead;
fn main() {
    let mut n = 0;
    let mut bad = 0;
    let mut runs = 0;
    let mut kinds = std::collections::BTreeMap::new();
    for line in std::io::stdin().lock().lines() {
        let v: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        let g = |k: &str| v[k].as_str().unwrap();
        n += 1;
        eprintln!("{}", v);
        let mut next = vec![];
        let err = match Schedule::parse(g("Schedule"), g("Name"), g("Timezone")) {
            Err(ScheduleError::Crash) => "CRASH".to_owned(),
            Err(e) => e.to_string(),
            Ok(s) => {
                let mut t: jiff::Timestamp = g("After").parse().unwrap();
                for _ in 0..12 {
                    match s.next(t) {
                        None => break,
                        Some(x) => {
                            next.push(x);
                            t = x;
                        }
                    }
                }
                let t0 = std::time::Instant::now();
                s.gaps();
                let d = t0.elapsed();
                if d.as_millis() > 100 {
                    println!("SLOW {d:?} {v}");
                }
                String::new()
            }
        };
        let want: Vec<jiff::Timestamp> = v["Next"]
            .as_array()
            .map(|a| a.iter().map(|x| x.as_str().unwrap().parse().unwrap()).collect())
            .unwrap_or_default();
        runs += want.len();
        *kinds
            .entry(
                g("Error")
                    .trim_start_matches("can't parse job schedule: ")
                    .split(['(', ':', ' '])
                    .take(3)
                    .collect::<Vec<_>>()
                    .join(" "),
            )
            .or_insert(0) += 1;
        if err != g("Error")
            || !next.starts_with(&want)
            || (want.len() != next.len() && !v["Back"].as_bool().unwrap_or(false))
        {
            bad += 1;
            if bad < 15 {
                println!("{v}\n   got {err:?} {next:?}");
            }
        }
    }
    println!("{n} rows, {runs} runs, {bad} differ");
    if std::env::args().count() > 1 {
        println!("{kinds:#?}");
    }
}
