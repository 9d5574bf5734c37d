//! Where a secret can be, and where it belongs.

/// A place, and what its canary is known by.
pub(super) struct Place {
    pub(super) name: &'static str,
    /// Whether some scene shows it where it belongs, as the proof that it is there.
    pub(super) is_seen: bool,
}

/// A secret that goes to a server with the requests; the server says back what came.
const SENT: &[&str] = &["header", "header of any name", "--header", "bearer token", "password of DKRON_URL"];

macro_rules! places {
    ($($name:literal $seen:literal,)*) => {
        pub(super) const PLACES: &[Place] = &[$(Place { name: $name, is_seen: $seen }),*];
    };
}

places! {
    "header" true,
    "header of any name" true,
    "--header" true,
    "basic-auth file" true,
    "bearer token" true,
    "client key" false,
    "password of DKRON_URL" true,
    "password of a URL that is wrong" false,
    "password of a data URL" true,
    "token of a data URL" true,
    "password of --from-url" true,
    "password in --backups" false,
    "AWS_SECRET_ACCESS_KEY" false,
    "AWS_SESSION_TOKEN" true,
    "AZURE_STORAGE_ACCOUNT_KEY" false,
    "GOOGLE_SERVICE_ACCOUNT_KEY" false,
    "secret variable" true,
    "file of --vars-dir" true,
    "values file" true,
    "broken values file" false,
    "--var" true,
    "header in a template" true,
    "user in a template's URL" true,
    "token in a template's URL" true,
    "password in a template's body" true,
    "metadata of a template" true,
    "broken template" false,
    "header of a live job" true,
    "password in a live job's body" true,
    "token in a live job's URL" true,
    "metadata of a live job" true,
    "old header of a job of ours" true,
    "old secret variable in a job of ours" true,
    "header in a file of jobs" true,
    "broken file of jobs" false,
    "variable of the environment" false,
    "proxy of the environment" false,
    "argument that no command has" false,
}

/// A canary by its place.
pub(super) fn canary(name: &str) -> String {
    PLACES.iter().find(|place| place.name == name).unwrap_or_else(|| panic!("`{name}` is no place")).canary()
}

/// Whether a canary may stand there.
pub(super) fn belongs(place: &Place, scene: &str, output: &str) -> bool {
    let name = place.name;
    match output {
        // What is sent to Dkron, to where data are, or to a store: the other's own credentials.
        "a request to Dkron" => SENT.contains(&name) || name == "basic-auth file" || is_of_a_job(name),
        "a request to the Dkron of --from-url" => SENT.contains(&name) || name == "password of --from-url",
        "a request for data" => name.ends_with("of a data URL"),
        "a request to the store" => name == "AWS_SESSION_TOKEN",
        // Asked for by name.
        "stdout" => scene == "render --show-secrets" && is_of_a_job(name),
        // Whole jobs, on purpose, in files for nobody else (0600).
        _ => is_of_a_job(name) && is_a_file_of_jobs(output),
    }
}

/// A job's definition is what it is: it goes to Dkron, into backups, and from there into files.
fn is_of_a_job(name: &str) -> bool {
    ["template", "live job", "job of ours", "file of jobs", "variable", "--vars-dir", "values file", "--var"]
        .iter()
        .any(|part| name.contains(part))
        && !["broken", "environment"].iter().any(|part| name.contains(part))
}

fn is_a_file_of_jobs(output: &str) -> bool {
    let is_manifest = output.ends_with(".manifest.json");
    (output.starts_with("backups/") && !is_manifest) || output.starts_with("imported") || output == "copies.ndjson"
}
