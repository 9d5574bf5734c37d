//! Files of jobs: found, told from others, unpacked, and compared with a manifest where there is one.

use std::fs;
use std::io::Write;
use std::path::Path;

use dkron_jobs::snapshot::{Fault, Packing, manifest_name};
use dkron_jobs::store::{LONGEST_FILE, StoreError, job_files, read_file};
use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use crate::stores::{Place, at, noise, run};

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

fn zstd(text: &str) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("memory");
    encoder.include_checksum(true).expect("an encoder");
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

fn read_whole(path: &Path) -> Result<String, StoreError> {
    read_file(path).map(|bytes| String::from_utf8(bytes).expect("text"))
}

#[test]
fn files_of_jobs_are_found_and_unpacked_by_what_they_are() {
    let root = TempDir::new().expect("a folder");
    let write = |name: &str, bytes: &[u8]| fs::write(root.path().join(name), bytes).expect("written");
    assert!(matches!(job_files(root.path()), Err(StoreError::NoFiles { .. })));
    let long = noise(300_000);
    write("b.ndjson", b"plain\n");
    write("a.json.gz", &gzip(&long));
    write("c.json", &zstd("zstd, whatever its name says"));
    write("d.ndjson.zst", &[zstd("two "), zstd("frames")].concat());
    write("e.ndjson.gz", &[gzip("two "), gzip("members")].concat());
    write("f.json", b"");
    write("g.json", b"{}");
    write(".hidden.json", b"no");
    write("notes.txt", b"no");
    write("b.ndjson.zip", b"no");
    fs::create_dir(root.path().join("folder.json")).expect("a folder");
    let files = job_files(root.path()).expect("files");
    let read: Vec<_> = files.iter().map(|path| read_whole(path).expect("readable")).collect();
    assert_eq!(read, [&long, "plain\n", "zstd, whatever its name says", "two frames", "two members", "", "{}"]);
    assert_eq!(job_files(&files[0]).expect("one"), files[..1]);
    let missing = job_files(&root.path().join("missing")).expect_err("missing").to_string();
    assert!(missing.contains("No such file") && missing.ends_with("; correct the name"), "{missing}");
}

#[test]
fn a_file_that_was_cut_off_or_is_rubbish_is_a_clear_error() {
    let root = TempDir::new().expect("a folder");
    let path = root.path().join("x.ndjson");
    let long = noise(300_000);
    for (whole, packing) in [(gzip(&long), "gzip"), (zstd(&long), "zstd")] {
        for length in [4, 5, 11, whole.len() / 2, whole.len() - 5, whole.len() - 1] {
            fs::write(&path, &whole[..length]).expect("written");
            let error = read_whole(&path).expect_err("cut off").to_string();
            assert!(error.contains(&format!("is not a whole {packing} file")), "{length}: {error}");
        }
        let mut changed = whole.clone();
        changed[20] ^= 0xff;
        fs::write(&path, &changed).expect("written");
        let error = read_whole(&path).expect_err("changed");
        assert!(matches!(error, StoreError::Packed { .. }), "{error}");
        assert!(!error.to_string().contains("stripped"), "{error}");
    }
}

#[test]
fn a_file_beside_its_manifest_must_fit_it() {
    let place = Place::directory();
    let saved = run(place.save(at(0), Packing::Gzip, "content\n"));
    let path = place.files.join(&saved.file);
    assert_eq!(read_whole(&path).expect("good"), "content\n");
    assert_eq!(job_files(&place.files).expect("files"), std::slice::from_ref(&path), "a manifest is no file of jobs");
    let manifest = place.files.join(manifest_name(&saved.file));
    let whole = fs::read_to_string(&manifest).expect("a manifest");
    fs::write(&manifest, "{\"format_version\": 2}").expect("written");
    let error = read_whole(&path).expect_err("newer").to_string();
    assert!(error.contains("format version 2") && error.contains("use the newer"), "{error}");
    fs::write(&manifest, whole).expect("written");
    fs::write(&path, gzip("another content\n")).expect("written");
    let error = read_whole(&path).expect_err("changed");
    assert!(matches!(error, StoreError::NotGood { fault: Fault::Digest, .. }), "{error}");
}

#[test]
fn what_was_packed_a_thousandfold_does_not_fill_the_memory() {
    let root = TempDir::new().expect("a folder");
    let path = root.path().join("x.ndjson");
    // Several members or frames are one file.
    let part = "x".repeat(1 << 20);
    for packed in [gzip(&part), zstd(&part)] {
        fs::write(&path, packed.repeat(LONGEST_FILE / part.len() + 1)).expect("written");
        let error = read_file(&path).expect_err("too long");
        assert!(matches!(error, StoreError::TooLong { limit: LONGEST_FILE, .. }), "{error}");
    }
}
