//! The columns: what each command is asked to do, and what it does where nothing goes wrong.

/// One command.
pub(super) struct Column {
    pub(super) name: &'static str,
    /// Its arguments for the Dkron at this URL, without it.
    pub(super) args: fn(&str) -> Vec<String>,
    /// How it ends where nothing goes wrong.
    pub(super) code: i32,
    /// Whether Dkron holds already what the templates want.
    pub(super) applied: bool,
    /// A job that it posts, if it posts any.
    pub(super) posts: Option<&'static str>,
    /// Whether that job was there before.
    pub(super) updates: bool,
    /// A job that it deletes, if it deletes any.
    pub(super) deletes: Option<&'static str>,
    /// How often it may wait for `--wait-timeout` in the worst case: to read, to write, to prove.
    pub(super) waits: u32,
}

impl Column {
    /// Whether it changes what Dkron holds.
    pub(super) fn writes(&self) -> bool {
        self.posts.is_some() || self.deletes.is_some()
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A command that only reads, once.
const READER: Column = Column {
    name: "",
    args: |_| Vec::new(),
    code: 0,
    applied: false,
    posts: None,
    updates: false,
    deletes: None,
    waits: 1,
};

pub(super) const COLUMNS: [Column; 9] = [
    Column { name: "wait", args: |_| words(&["wait"]), ..READER },
    Column { name: "plan", args: |_| words(&["plan", "--exit-code"]), code: 3, ..READER },
    Column {
        name: "apply",
        args: |_| words(&["apply"]),
        posts: Some("upd"),
        updates: true,
        deletes: Some("gone"),
        waits: 3,
        ..READER
    },
    Column { name: "backup", args: |_| words(&["backup", "--backups", "backups"]), ..READER },
    Column {
        name: "restore",
        args: |_| words(&["restore", "saved.ndjson", "--mode", "changed"]),
        posts: Some("upd"),
        updates: true,
        waits: 3,
        ..READER
    },
    Column {
        name: "clone",
        args: |url| {
            let mut args = words(&["clone", "--from-namespace", "shop", "--to-namespace", "stage"]);
            args.extend(words(&["--name-prefix", "copy-", "--only", "upd", "--only", "par", "--only", "kid"]));
            args.extend(words(&["--from-url", url]));
            args
        },
        posts: Some("copy-upd"),
        waits: 4,
        ..READER
    },
    Column { name: "destroy", args: |_| words(&["destroy", "--yes"]), deletes: Some("gone"), waits: 3, ..READER },
    Column { name: "status", args: |_| words(&["status"]), ..READER },
    Column { name: "check", args: |_| words(&["check", "--run", "ping"]), applied: true, waits: 2, ..READER },
];
