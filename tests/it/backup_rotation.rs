//! Backups as data: naming, describing, judging, rotating and guarding them.

use std::collections::BTreeMap;

use dkron_jobs::snapshot::{
    Entry, Fault, Keep, Listing, Manifest, ManifestError, Packing, data_of, expired, file_name, is_ours, manifest_name,
    shrinks, time_of,
};
use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::laws::law;

/// An instant of November 2026.
fn at(day: i64, hour: i64) -> Timestamp {
    let first: Timestamp = "2026-11-01T00:00:00.007Z".parse().expect("an instant");
    first + SignedDuration::from_hours((day - 1) * 24 + hour)
}

#[test]
fn names_tell_the_time_and_sort_as_it_does() {
    let time: Timestamp = "2026-11-24T08:19:00.1239Z".parse().expect("an instant");
    assert_eq!(file_name(time, Packing::Plain), "backup-dkron_20261124T081900.123Z.ndjson");
    for packing in Packing::ALL {
        let name = file_name(time, packing);
        assert_eq!(time_of(&name), "2026-11-24T08:19:00.123Z".parse().ok());
        assert_eq!(Packing::of_name(&name), packing);
        assert!(is_ours(&name) && is_ours(&manifest_name(&name)));
        assert_eq!(data_of(&manifest_name(&name)), Some(name.as_str()));
    }
    for strange in [
        "backup-dkron_2026-11-24-T08-19",
        "backup-dkron_20261124T081900.123Z.ndjson.zip",
        "backup-dkron_20261124T081900.1Z.ndjson",
        "backup-dkron_20261324T081900.123Z.ndjson",
        "my-backup-dkron_20261124T081900.123Z.ndjson",
        "backup-dkron_20261124T081900.123Z.ndjson.manifest.json.manifest.json",
    ] {
        assert_eq!(time_of(strange), None, "{strange}");
        assert!(!is_ours(strange), "{strange}");
    }
    assert_eq!(Packing::of_bytes(&[0x28, 0xb5, 0x2f, 0xfd, 0]), Packing::Zstd);
    assert_eq!(Packing::of_bytes(&[0x1f, 0x8b, 8]), Packing::Gzip);
    assert_eq!(Packing::of_bytes(b"{\"a\""), Packing::Plain);
}

fn manifest(time: Timestamp, namespace: &str, count: u64) -> Manifest {
    Manifest::new(time, namespace, "main", "http://dkron:8080", Some("4.0.9"), count).of(b"some bytes")
}

#[test]
fn a_manifest_says_what_it_is_about() {
    let manifest = manifest(at(24, 8), "shop", 44);
    insta::assert_snapshot!(manifest.to_text(), @r#"
    {
      "format_version": 1,
      "time": "2026-11-24T08:00:00.007Z",
      "namespace": "shop",
      "release": "main",
      "source": "http://dkron:8080",
      "dkron": "4.0.9",
      "count": 44,
      "sha256": "0d22cdcc10e6d049dbe1af5123d50873fdfc1a4f58306e58cb6241be9472014d",
      "size": 10
    }
    "#);
    assert_eq!(Manifest::parse(manifest.to_text().as_bytes()).as_ref(), Ok(&manifest));
    assert!(manifest.fits(b"some bytes") && !manifest.fits(b"some bytes!") && !manifest.fits(b"more bytes"));
    let newer = manifest.to_text().replace("\"format_version\": 1", "\"format_version\": 2, \"count\": \"many\"");
    assert_eq!(Manifest::parse(newer.as_bytes()), Err(ManifestError::Newer(2)));
    assert!(ManifestError::Newer(2).to_string().contains("use the newer dkron-jobs"));
    for broken in ["", "{}", "{\"format_version\":1}", "{\"format_version\":0}", "[]", "{\"format_version\":1"] {
        assert!(matches!(Manifest::parse(broken.as_bytes()), Err(ManifestError::Broken(_))), "{broken}");
    }
}

/// A folder: good backups by time and namespace, and whatever else is added.
#[derive(Default)]
struct Folder {
    files: BTreeMap<String, u64>,
    manifests: BTreeMap<String, Result<Vec<u8>, String>>,
}

impl Folder {
    fn good(&mut self, time: Timestamp, namespace: &str, count: u64) -> String {
        let name = file_name(time, Packing::Plain);
        self.files.insert(name.clone(), 10);
        self.manifest(&name, manifest(time, namespace, count).to_text());
        name
    }

    fn manifest(&mut self, file: &str, text: String) {
        self.files.insert(manifest_name(file), text.len() as u64);
        self.manifests.insert(manifest_name(file), Ok(text.into_bytes()));
    }

    fn listing(&self) -> Listing {
        Listing::new(&self.files, &self.manifests)
    }
}

#[test]
fn the_newest_good_one_is_the_newest_by_its_manifest() {
    let mut folder = Folder::default();
    assert_eq!(folder.listing().newest_good(None), None);
    let first = folder.good(at(1, 0), "shop", 1);
    let other = folder.good(at(2, 0), "bank", 2);
    // Its name says the third, and its manifest the first.
    let renamed = file_name(at(3, 0), Packing::Gzip);
    folder.files.insert(renamed.clone(), 10);
    folder.manifest(&renamed, manifest(at(1, 1), "shop", 3).to_text());
    let torn = file_name(at(4, 0), Packing::Zstd);
    folder.files.insert(torn.clone(), 10);
    let short = folder.good(at(5, 0), "shop", 5);
    folder.files.insert(short.clone(), 9);
    let newer = folder.good(at(6, 0), "shop", 6);
    folder.manifest(&newer, "{\"format_version\": 2}".to_owned());
    let lost = folder.good(at(7, 0), "shop", 7);
    folder.files.remove(&lost);
    let locked = folder.good(at(8, 0), "shop", 8);
    folder.manifests.insert(manifest_name(&locked), Err("permission denied".to_owned()));
    folder.files.insert("notes.txt".to_owned(), 10);
    folder.files.insert("backup-dkron_2026-11-24-T08-19".to_owned(), 10);

    let listing = folder.listing();
    let faults: BTreeMap<_, _> =
        listing.entries.iter().map(|entry| (entry.file.clone(), entry.fault.clone())).collect();
    let want = BTreeMap::from([
        (first, None),
        (other.clone(), None),
        (renamed.clone(), None),
        (torn, Some(Fault::NoManifest)),
        (short, Some(Fault::Size { is: 9, said: 10 })),
        (newer, Some(Fault::Manifest(ManifestError::Newer(2)))),
        (lost, Some(Fault::NoFile)),
        (locked, Some(Fault::Unreadable("permission denied".to_owned()))),
    ]);
    assert_eq!(faults, want);
    let newest = |namespace| listing.newest_good(namespace).map(|entry| entry.file.clone());
    assert_eq!(newest(None), Some(other));
    assert_eq!(newest(Some("shop")), Some(renamed));
    assert_eq!(newest(Some("nobody")), None);
}

#[test]
fn rotation_keeps_the_newest_and_one_a_day() {
    let mut folder = Folder::default();
    let mut names = BTreeMap::new();
    for day in 1..=10 {
        for hour in [1, 13] {
            names.insert((day, hour), folder.good(at(day, hour), "shop", 1));
        }
    }
    let kept = |folder: &Folder, keep, now| {
        let gone = expired(&folder.listing(), "shop", keep, now);
        let kept: Vec<_> = names.iter().filter(|(_, name)| !gone.contains(name)).map(|(&at, _)| at).collect();
        kept
    };
    assert_eq!(kept(&folder, Keep { newest: 3, days: 4 }, at(10, 20)), [(7, 13), (8, 13), (9, 13), (10, 1), (10, 13)]);
    assert_eq!(kept(&folder, Keep { newest: 1, days: 0 }, at(10, 20)), [(10, 13)]);
    // The newest good one stays whatever is asked for, and days in which none was made count.
    assert_eq!(kept(&folder, Keep { newest: 0, days: 0 }, at(10, 20)), [(10, 13)]);
    assert_eq!(kept(&folder, Keep { newest: 0, days: 3 }, at(11, 0)), [(9, 13), (10, 13)]);
    assert_eq!(kept(&folder, Keep { newest: 0, days: 3 }, at(28, 0)), [(10, 13)]);
    // A clock that was ahead: its backups count as today's.
    assert_eq!(kept(&folder, Keep { newest: 0, days: 1 }, at(8, 20)), [(8, 13), (9, 13), (10, 13)]);
    let gone = expired(&folder.listing(), "shop", Keep { newest: 19, days: 0 }, at(10, 20));
    assert_eq!(gone, [manifest_name(&names[&(1, 1)]), names[&(1, 1)].clone()], "the manifest goes first");
}

#[test]
fn rotation_takes_only_what_is_its_own() {
    let mut folder = Folder::default();
    let others = folder.good(at(1, 0), "bank", 1);
    let torn_old = file_name(at(1, 1), Packing::Plain);
    folder.files.insert(torn_old.clone(), 3);
    let short = folder.good(at(1, 2), "shop", 1);
    folder.files.insert(short.clone(), 9);
    let newer_format = folder.good(at(1, 3), "shop", 1);
    folder.manifest(&newer_format, "{\"format_version\": 2}".to_owned());
    folder.files.insert("backup-dkron_2026-11-01-T04-00".to_owned(), 3);
    let keep = Keep { newest: 1, days: 0 };
    assert_eq!(expired(&folder.listing(), "shop", keep, at(9, 0)), [""; 0], "without a good one nothing goes");
    let oldest = folder.good(at(2, 0), "shop", 1);
    folder.good(at(9, 0), "shop", 1);
    let torn_new = file_name(at(9, 1), Packing::Plain);
    folder.files.insert(torn_new, 3);
    let want = [torn_old.clone(), manifest_name(&short), short.clone(), manifest_name(&oldest), oldest];
    assert_eq!(expired(&folder.listing(), "shop", keep, at(9, 2)), want);
    assert_eq!(expired(&folder.listing(), "shop", Keep { newest: 2, days: 0 }, at(9, 2)), want[..3]);
    // Somebody may still be writing it.
    assert!(!expired(&folder.listing(), "shop", keep, at(1, 2) - SignedDuration::from_mins(1)).contains(&torn_old));
    assert_eq!(expired(&folder.listing(), "bank", keep, at(9, 2)), [""; 0], "{others} is its newest");
}

#[test]
fn the_newest_good_one_survives_every_rotation() {
    let backups = vec((0..40_i64, 0..24_i64, select(vec!["shop", "bank"]), 0..4_u8), 0..20);
    law((backups, 0..5_usize, 0..5_u32, 0..45_i64), |(backups, newest, days, now)| {
        let mut folder = Folder::default();
        for (day, hour, namespace, broken) in backups {
            let name = folder.good(at(day, hour), namespace, 1);
            match broken {
                0 => drop(folder.files.insert(name, 3)),
                1 => {
                    folder.files.remove(&manifest_name(&name));
                    folder.manifests.remove(&manifest_name(&name));
                }
                _ => {}
            }
        }
        let before = folder.listing();
        for name in expired(&before, "shop", Keep { newest, days }, at(now, 0)) {
            prop_assert!(folder.files.remove(&name).is_some(), "{name} was there");
            folder.manifests.remove(&name);
            let between = folder.listing();
            for namespace in [None, Some("shop"), Some("bank")] {
                prop_assert_eq!(between.newest_good(namespace), before.newest_good(namespace));
            }
        }
        let left = folder.listing();
        prop_assert_eq!(left.good(Some("bank")).count(), before.good(Some("bank")).count());
        prop_assert!(left.good(Some("shop")).count() >= newest.min(before.good(Some("shop")).count()));
        Ok(())
    });
}

#[test]
fn a_list_that_is_suddenly_small_is_refused() {
    let newest = |count| {
        let mut folder = Folder::default();
        folder.good(at(1, 0), "shop", count);
        folder.listing().entries.into_iter().next()
    };
    let refused = |new, old: Option<Entry>| shrinks(new, old.as_ref()).is_err();
    assert!(!refused(0, None));
    for (new, old, is) in [
        (0, 0, false),
        (0, 1, true),
        (1, 11, false),
        (1, 12, true),
        (5, 16, true),
        (8, 16, false),
        (7, 16, false),
        (50, 100, false),
        (49, 100, true),
        (1500, 1500, false),
        (2000, 1500, false),
    ] {
        assert_eq!(refused(new, newest(old)), is, "{new} after {old}");
    }
    let words = shrinks(3, newest(1500).as_ref()).expect_err("refused").to_string();
    for word in ["3 jobs", "1500", "backup-dkron_20261101T000000.007Z.ndjson", "`--force`"] {
        assert!(words.contains(word), "{words}");
    }
}
