//! Directories and object stores: one suite for both, and what only one of them can suffer.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use axum::http::StatusCode;
use dkron_jobs::dkron::Tls;
use dkron_jobs::snapshot::{
    Entry, Fault, Keep, Listing, Manifest, ManifestError, Packing, expired, file_name, manifest_name,
};
use dkron_jobs::store::{Limits, Saved, Store, StoreError, Trouble};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use tokio::runtime::Builder;

use crate::s3::{BUCKET, Bucket};

const LIMITS: Limits = Limits { request: Duration::from_secs(20), retries: Duration::from_secs(20) };
/// The part of the bucket that backups go to.
const PREFIX: &str = "nightly/dkron";

/// A store, and where its files lie on the disk.
pub(crate) struct Place {
    store: Store,
    pub(crate) files: PathBuf,
    location: String,
    environment: Vec<(String, String)>,
    _bucket: Option<Bucket>,
    _root: TempDir,
}

impl Place {
    pub(crate) fn directory() -> Self {
        let root = TempDir::new().expect("a folder");
        let files = root.path().join("not/there/yet");
        let location = files.display().to_string();
        let store = open(&location, &[]);
        Self { store, files, location, environment: Vec::new(), _bucket: None, _root: root }
    }

    fn bucket() -> Self {
        let root = TempDir::new().expect("a folder");
        let bucket = Bucket::start(root.path());
        let location = format!("s3://{BUCKET}/{PREFIX}");
        let environment = bucket.environment();
        let store = open(&location, &environment);
        let files = Bucket::folder(root.path()).join(PREFIX);
        Self { store, files, location, environment, _bucket: Some(bucket), _root: root }
    }

    /// The files that are there.
    fn names(&self) -> BTreeSet<String> {
        names(&self.files)
    }

    async fn listing(&self) -> Listing {
        self.store.listing().await.expect("a listing")
    }

    pub(crate) async fn save(&self, time: Timestamp, packing: Packing, text: &str) -> Saved {
        save(&self.store, time, packing, text).await.expect("a backup")
    }

    async fn entry(&self, file: &str) -> Entry {
        self.listing().await.entries.into_iter().find(|entry| entry.file == file).expect("a backup of that name")
    }

    async fn text(&self, file: &str) -> Result<String, StoreError> {
        text(&self.store, &self.entry(file).await).await
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect()
}

fn open(location: &str, environment: &[(String, String)]) -> Store {
    Store::open(location, environment.to_vec(), &tls(), LIMITS).expect("a store")
}

fn tls() -> Tls {
    Tls::new(None, None).expect("roots")
}

async fn save(store: &Store, time: Timestamp, packing: Packing, text: &str) -> Result<Saved, StoreError> {
    let lines: Vec<_> = text.split_inclusive('\n').map(str::as_bytes).collect();
    let manifest = Manifest::new(time, "shop", "main", "http://dkron:8080", None, lines.len() as u64);
    store.save(manifest, packing, lines, time).await
}

async fn text(store: &Store, entry: &Entry) -> Result<String, StoreError> {
    let bytes = store.read(entry).await?;
    Ok(String::from_utf8(bytes).expect("text"))
}

pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// The same for a directory and for a bucket.
#[expect(clippy::needless_pass_by_value, reason = "a closure is written where it is used")]
fn on_both(test: impl AsyncFn(&Place)) {
    for place in [Place::directory(), Place::bucket()] {
        run(test(&place));
    }
}

pub(crate) fn at(minute: i64) -> Timestamp {
    let first: Timestamp = "2026-11-24T08:00:00.123Z".parse().expect("an instant");
    first + SignedDuration::from_mins(minute)
}

/// Text that cannot be packed much.
pub(crate) fn noise(bytes: usize) -> String {
    let mut state = 88_172_645_463_325_252_u64;
    let mut text = String::with_capacity(bytes + 17);
    while text.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        write!(text, "{state:016x}").expect("memory");
        if state.is_multiple_of(50) {
            text.push('\n');
        }
    }
    text
}

#[test]
fn what_is_saved_is_listed_and_read_back() {
    on_both(async |place| {
        assert_eq!(place.listing().await, Listing::default());
        let want = format!("{{\"name\":\"a\"}}\n{}\n", noise(300_000));
        for (minute, packing) in (0..).zip(Packing::ALL) {
            let saved = place.save(at(minute), packing, &want).await;
            assert_eq!(saved.file, file_name(at(minute), packing));
            let size = fs::metadata(place.files.join(&saved.file)).expect("a file").len();
            assert_eq!(saved.manifest.size, size);
            assert!(packing == Packing::Plain || size < want.len() as u64 * 3 / 4, "{packing}: {size} bytes");
            let entry = place.entry(&saved.file).await;
            assert_eq!(entry.good(), Some(&saved.manifest));
            assert_eq!(text(&place.store, &entry).await.expect("read"), want);
            let listing = place.listing().await;
            assert_eq!(listing.newest_good(Some("shop")).map(|entry| &entry.file), Some(&saved.file));
        }
        assert_eq!(place.names().len(), 6, "nothing but backups and manifests: {:?}", place.names());
    });
}

#[test]
fn an_empty_list_can_be_saved() {
    on_both(async |place| {
        for packing in Packing::ALL {
            let saved = place.save(at(0), packing, "").await;
            assert_eq!(place.text(&saved.file).await.expect("read"), "");
        }
    });
}

#[test]
fn what_an_interrupted_run_leaves_is_never_good() {
    on_both(async |place| {
        let old = place.save(at(0), Packing::Plain, "old\n").await;
        let torn = place.save(at(1), Packing::Gzip, "torn\n").await;
        fs::remove_file(place.files.join(manifest_name(&torn.file))).expect("removed");
        let lost = place.save(at(2), Packing::Plain, "lost\n").await;
        fs::remove_file(place.files.join(&lost.file)).expect("removed");
        let fault = async |file: &str| place.entry(file).await.fault;
        assert_eq!(fault(&torn.file).await, Some(Fault::NoManifest));
        assert_eq!(fault(&lost.file).await, Some(Fault::NoFile));
        assert_eq!(place.listing().await.newest_good(None).map(|entry| entry.file.clone()), Some(old.file));
        for file in [&torn.file, &lost.file] {
            let error = place.text(file).await.expect_err("no good one");
            assert!(matches!(error, StoreError::NotGood { .. }), "{error}");
            assert!(error.to_string().contains(file.as_str()), "{error}");
        }
        // A name whose file was lost is free again, and what was left of it is in nobody's way.
        let again = place.save(at(2), Packing::Plain, "again\n").await;
        assert_eq!(again.file, lost.file);
        assert_eq!(place.text(&again.file).await.expect("good"), "again\n");
    });
}

#[test]
fn a_changed_backup_is_found_before_anything_of_it_is_used() {
    on_both(async |place| {
        let saved = place.save(at(0), Packing::Zstd, &noise(200_000)).await;
        let path = place.files.join(&saved.file);
        let mut bytes = fs::read(&path).expect("a file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, &bytes).expect("written");
        let entry = place.entry(&saved.file).await;
        assert_eq!(entry.fault, None, "its size still fits");
        let error = place.store.read(&entry).await.expect_err("changed");
        assert!(matches!(error, StoreError::NotGood { fault: Fault::Digest, .. }), "{error}");
        fs::write(&path, &bytes[..middle]).expect("written");
        let fault = place.entry(&saved.file).await.fault;
        assert_eq!(fault, Some(Fault::Size { is: middle as u64, said: bytes.len() as u64 }));
    });
}

#[test]
fn writers_at_the_same_instant_never_write_over_each_other() {
    for place in [Place::directory(), Place::bucket()] {
        let texts: BTreeSet<String> = (0..8).map(|writer| format!("of writer {writer}\n")).collect();
        thread::scope(|scope| {
            for text in &texts {
                let place = &place;
                scope.spawn(move || {
                    let store = open(&place.location, &place.environment);
                    run(save(&store, at(0), Packing::Plain, text)).expect("a backup");
                });
            }
        });
        run(async {
            let listing = place.listing().await;
            let mut read = BTreeSet::new();
            for entry in &listing.entries {
                read.insert(text(&place.store, entry).await.expect("good"));
            }
            assert_eq!(read, texts);
            let times: BTreeSet<_> = listing.entries.iter().map(Entry::time).collect();
            let want: BTreeSet<_> = (0..8).map(|later| at(0) + SignedDuration::from_millis(later)).collect();
            assert_eq!(times, want, "each took a millisecond of its own");
        });
    }
}

#[test]
fn a_big_backup_goes_up_in_parts_and_never_over_another() {
    on_both(async |place| {
        let big = noise(17 << 20);
        let first = place.save(at(0), Packing::Plain, &big).await;
        assert_eq!(place.text(&first.file).await.expect("read"), big);
        let second = place.save(at(0), Packing::Plain, &big[1..]).await;
        assert_ne!(first.file, second.file);
        assert_eq!(place.text(&first.file).await.expect("read"), big);
        assert_eq!(place.text(&second.file).await.expect("read"), big[1..]);
        assert_eq!(place.names().len(), 4, "{:?}", place.names());
    });
}

#[test]
fn rotation_removes_what_it_should_and_strangers_stay() {
    on_both(async |place| {
        for minute in 0..5 {
            place.save(at(minute), Packing::Plain, "x\n").await;
        }
        fs::write(place.files.join("notes.txt"), "mine").expect("written");
        fs::write(place.files.join("backup-dkron_2026-11-24-T08-00"), "by the old script").expect("written");
        let listing = place.listing().await;
        assert_eq!(listing.entries.len(), 5);
        for name in expired(&listing, "shop", Keep { newest: 2, days: 0 }, at(5)) {
            place.store.remove(&name).await.expect("removed");
        }
        place.store.remove("backup-dkron_20261124T080000.123Z.ndjson").await.expect("what is not there is removed");
        let left: Vec<_> = place.listing().await.entries.iter().map(Entry::time).collect();
        assert_eq!(left, [at(4), at(3)]);
        assert_eq!(place.names().len(), 6, "{:?}", place.names());
    });
}

#[test]
fn a_manifest_of_another_kind_makes_no_good_one() {
    on_both(async |place| {
        for (minute, text, fault) in [
            (0, "{\"format_version\": 7}".to_owned(), Fault::Manifest(ManifestError::Newer(7))),
            (1, "x".repeat(100_000), Fault::Unreadable("it is longer than 65536 bytes".to_owned())),
        ] {
            let saved = place.save(at(minute), Packing::Plain, "x\n").await;
            fs::write(place.files.join(manifest_name(&saved.file)), text).expect("written");
            assert_eq!(place.entry(&saved.file).await.fault, Some(fault));
        }
    });
}

#[test]
fn a_store_that_says_no_is_a_clear_error_in_time() {
    let limits = Limits { request: Duration::from_secs(5), retries: Duration::from_secs(1) };
    for (status, trouble, words) in [
        (StatusCode::FORBIDDEN, Trouble::Denied, "check the credentials"),
        (StatusCode::UNAUTHORIZED, Trouble::Denied, "check the credentials"),
        (StatusCode::NOT_FOUND, Trouble::Missing, "check the name"),
        (StatusCode::SERVICE_UNAVAILABLE, Trouble::Unavailable, "503"),
        (StatusCode::INTERNAL_SERVER_ERROR, Trouble::Unavailable, "500"),
    ] {
        let bucket = Bucket::saying(status);
        let store = Store::open("s3://backups/x", bucket.environment(), &tls(), limits).expect("a store");
        let started = Instant::now();
        let write = run(save(&store, at(0), Packing::Plain, "x\n")).expect_err("no");
        let list = run(store.listing()).expect_err("no");
        assert!(started.elapsed() < Duration::from_secs(10), "{status}: {:?}", started.elapsed());
        for (error, doing) in
            [(write, "cannot write s3://backups/x/backup-dkron_"), (list, "cannot list s3://backups/x")]
        {
            let shown = error.to_string();
            assert!(shown.starts_with(doing) && shown.contains(words), "{status}: {shown}");
            assert!(shown.contains("not today") || status == StatusCode::NOT_FOUND, "{status}: {shown}");
            assert!(!shown.contains('\n') && !shown.contains("test-secret"), "{status}: {shown}");
            assert!(matches!(error, StoreError::Remote { trouble: is, .. } if is == trouble), "{status}: {shown}");
        }
    }
    // Nobody listens there.
    let environment = Bucket::saying(StatusCode::OK).environment();
    let store = Store::open("s3://backups/x", environment, &tls(), limits).expect("a store");
    let error = run(store.listing()).expect_err("no server").to_string();
    assert!(error.contains("refused") && error.contains("can be reached"), "{error}");
}

#[test]
fn a_location_says_what_it_is() {
    let open = |location: &str, environment: &[(&str, &str)]| {
        let environment = environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Store::open(location, environment, &tls(), LIMITS)
    };
    let account = [("AZURE_STORAGE_ACCOUNT_NAME", "shop"), ("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")];
    let token = [("GOOGLE_SKIP_SIGNATURE", "true")];
    for (location, environment) in [
        ("az://backups/dkron", &account[..]),
        ("gs://backups/dkron", &token[..]),
        ("s3://backups", &[]),
        ("./backups", &[]),
    ] {
        assert_eq!(open(location, environment).expect("a store").shown(), location);
    }
    assert_eq!(
        open("s3://user:secret@backups/x?y=z", &[]).map(|store| store.shown().to_owned()).ok(),
        Some("s3://backups/x".to_owned())
    );
    for (location, environment, words) in [
        (
            "ftp://user:secret@host/x",
            &[][..],
            "`ftp://host/x` is no place for backups: name a folder, or an s3://, gs:// or az:// URL",
        ),
        ("s3://", &[], "the name of the bucket is missing: s3://bucket/folder"),
        ("az://backups/dkron", &[], "`az://backups/dkron` is no place for backups: "),
        ("s3://backups/x", &[("AWS_ALLOW_HTTP", "perhaps")], "perhaps"),
    ] {
        let error = open(location, environment).expect_err("no store").to_string();
        assert!(error.contains(words) && !error.contains("secret"), "{error}");
    }
}

#[test]
fn only_its_owner_reads_a_directory_of_backups() {
    let place = Place::directory();
    run(place.save(at(0), Packing::Plain, "x\n"));
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&place.files), 0o700);
    for name in place.names() {
        assert_eq!(mode(&place.files.join(&name)), 0o600, "{name}");
    }
}

#[test]
fn what_killed_runs_left_is_cleared_away_after_an_hour() {
    let place = Place::directory();
    fs::create_dir_all(&place.files).expect("a folder");
    let left = |name: &str, minutes: i64| {
        let file = File::create(place.files.join(name)).expect("a file");
        let time = Duration::from_millis(u64::try_from(at(-minutes).as_millisecond()).expect("after 1970"));
        file.set_modified(SystemTime::UNIX_EPOCH + time).expect("a time");
    };
    left(".tmp-dkron-jobs-7-0-backup-dkron_20261124T060000.000Z.ndjson", 61);
    left(".tmp-dkron-jobs-7-0-backup-dkron_20261124T070100.000Z.ndjson", 59);
    left(".tmp-of-somebody-else", 500);
    let saved = run(place.save(at(0), Packing::Plain, "x\n"));
    let want = [
        ".tmp-dkron-jobs-7-0-backup-dkron_20261124T070100.000Z.ndjson".to_owned(),
        ".tmp-of-somebody-else".to_owned(),
        manifest_name(&saved.file),
        saved.file,
    ];
    assert_eq!(place.names(), BTreeSet::from(want));
}

#[test]
fn what_is_no_directory_is_a_clear_error() {
    let root = TempDir::new().expect("a folder");
    let file = root.path().join("file");
    fs::write(&file, "x").expect("written");
    let store = open(&file.display().to_string(), &[]);
    let listed = run(store.listing()).expect_err("a file").to_string();
    assert!(listed.starts_with("cannot read the folder ") && listed.ends_with("; name a folder"), "{listed}");
    let saved = run(save(&store, at(0), Packing::Plain, "x\n")).expect_err("a file").to_string();
    assert!(saved.starts_with("cannot make the folder "), "{saved}");
}

/// Set where this binary was started again with a tmpfs of 256 KiB.
const SMALL_DISK: &str = "DKRON_JOBS_TEST_SMALL_DISK";

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    if let Some(disk) = std::env::var_os(SMALL_DISK) {
        return on_a_small_disk(Path::new(&disk));
    }
    let root = TempDir::new().expect("a folder");
    let this = std::env::current_exe().expect("a test binary");
    // A user namespace of its own, in which anybody may mount. Where that is not to be had, there is no small disk.
    let mount = "mount -t tmpfs -o size=256k none \"$1\" || exit 77; shift; exec \"$@\"";
    let ran = Command::new("unshare")
        .args(["-Urm", "sh", "-c", mount, "sh"])
        .arg(root.path())
        .arg(this)
        .args(["--exact", "stores::a_full_disk_leaves_nothing_half_written", "--nocapture"])
        .env(SMALL_DISK, root.path())
        .output();
    match ran {
        Ok(ran) if ran.status.success() => {
            let said = String::from_utf8_lossy(&ran.stdout);
            assert!(said.contains("1 passed"), "{said}");
        }
        Ok(ran) if ran.status.code() == Some(77) || String::from_utf8_lossy(&ran.stderr).starts_with("unshare: ") => {
            eprintln!("skipped: no small disk can be mounted here: {}", String::from_utf8_lossy(&ran.stderr));
        }
        Ok(ran) => panic!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr)),
        Err(error) => eprintln!("skipped: no small disk can be mounted here: unshare: {error}"),
    }
}

fn on_a_small_disk(disk: &Path) {
    let folder = disk.join("backups");
    let store = open(&folder.display().to_string(), &[]);
    let good = run(save(&store, at(0), Packing::Plain, "good\n")).expect("a backup");
    let before = names(&folder);
    let error = run(save(&store, at(1), Packing::Plain, &noise(1 << 20))).expect_err("full").to_string();
    assert!(error.contains("No space left") && error.contains("make room"), "{error}");
    assert_eq!(names(&folder), before);
    // With room for so many pages: for none, for a part, for the file and not its manifest, for both.
    let (mut refused, mut taken) = (0, 0);
    for pages in 0..8 {
        let mut filler = File::create(disk.join("filler")).expect("a file");
        while filler.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
        let full = filler.metadata().expect("there").len();
        filler.set_len(full - pages * 4096).expect("shorter");
        let before = names(&folder);
        match run(save(&store, at(10), Packing::Plain, &noise(9000))) {
            Ok(_) => taken += 1,
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("make room"), "{error}");
                assert_eq!(names(&folder), before, "{pages} pages");
            }
        }
        let listing = run(store.listing()).expect("a listing");
        assert!(listing.entries.iter().all(|entry| entry.fault.is_none()), "{listing:?}");
        assert!(listing.entries.iter().any(|entry| entry.file == good.file));
    }
    assert!(refused > 2 && taken > 2, "{refused} refused, {taken} taken");
}
