#!/usr/bin/env bash
# litemap 0.8.3 (feature `serde`) with serde_json 1.0.145.
#
# Guess: a `LiteMap` is a map, so an empty one is `{}` in JSON, as a `BTreeMap` is.
# Seen:  an empty `LiteMap<String, String>` is `[]`; with one entry it is `{"a":"b"}`. Reading refuses the `[]` where a map of strings
#        is wanted, and so does a server written in Go, into a `map[string]string`. The crate decides by the type of the first key
#        whether JSON can hold the map as an object, and an empty map has no first key.
#
# Needs cargo. Fails when this is no longer so.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/src"
cat >"$work/Cargo.toml" <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"

[dependencies]
litemap = { version = "=0.8.3", features = ["serde"] }
serde_json = "=1.0.145"
TOML
cat >"$work/src/main.rs" <<'RUST'
use std::collections::BTreeMap;

use litemap::LiteMap;

fn main() {
    let mut map: LiteMap<String, String> = LiteMap::new();
    println!("empty LiteMap: {}", serde_json::to_string(&map).unwrap());
    println!("empty BTreeMap: {}", serde_json::to_string(&BTreeMap::<String, String>::new()).unwrap());
    map.insert("a".to_owned(), "b".to_owned());
    println!("LiteMap with an entry: {}", serde_json::to_string(&map).unwrap());
}
RUST
seen=$(cd "$work" && cargo run --quiet)
printf '%s\n' "$seen"
[ "$seen" = 'empty LiteMap: []
empty BTreeMap: {}
LiteMap with an entry: {"a":"b"}' ]
