//! A real Chromium without a window, driven by its `DevTools` protocol over a pipe.
//!
//! A pipe needs no port, no second program and no crate: messages are JSON with a zero byte behind each. (The crates that drive
//! browsers either want a chromedriver of the same version beside it and show neither requests nor policy violations, or compile
//! all of the protocol's types, which takes longer than all of these tests.)

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::repository;
use crate::server::skip;

/// Longer than this nothing may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// Names of the program; `CHROMIUM` may say another.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// What a page says to those who listen: violations of its policy, which no script of its own could hide.
const LISTEN: &str = "window.violations = [];
    addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective + ' ' + event.blockedURI));";

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    last: u64,
    /// What happened since the page was opened.
    pub(crate) events: Vec<Value>,
    _profile: TempDir,
}

impl Browser {
    /// Starts one; where there is none, says that the test is skipped.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let Some(program) = program() else {
            skip(test, "there is no Chromium (Debian: `apt-get install chromium`; or CHROMIUM names one)");
            return None;
        };
        let profile = TempDir::new().expect("a temporary folder");
        // Chromium reads messages from its file 3 and writes them to its file 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null"])
            .arg(program)
            .args(["--headless=new", "--remote-debugging-pipe", "--no-first-run", "--hide-scrollbars"])
            // Root, as in most containers, has no sandbox; what is opened here is our own.
            .args(["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            // It may look for updates nowhere, and find nobody.
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .arg("--host-resolver-rules=MAP * ~NOTFOUND")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        let input = child.stdin.take().expect("its input");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let (sender, messages) = channel();
        thread::spawn(move || {
            let mut message = Vec::new();
            while output.read_until(0, &mut message).is_ok_and(|length| length > 0) {
                let json = serde_json::from_slice(message.strip_suffix(&[0]).unwrap_or(&message));
                if sender.send(json.expect("JSON of the browser")).is_err() {
                    break;
                }
                message.clear();
            }
        });
        let mut browser =
            Self { child, input, messages, session: None, last: 0, events: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}))["targetId"].clone();
        let session = browser.call("Target.attachToTarget", &json!({"targetId": target, "flatten": true}));
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser.call("Page.addScriptToEvaluateOnNewDocument", &json!({"source": LISTEN}));
        browser.size(1280, 900);
        Some(browser)
    }

    /// Calls a method of the protocol.
    #[track_caller]
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.input.write_all(format!("{message}\0").as_bytes()).expect("the browser listens");
        self.input.flush().expect("the browser listens");
        loop {
            let message = self.messages.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{method}: {error}"));
            if message["id"] == self.last {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    /// Opens a page, which is kept as `target/page/<name>.html`, and waits until it is there.
    #[track_caller]
    pub(crate) fn open(&mut self, name: &str, html: &str) {
        let path = folder().join(format!("{name}.html"));
        std::fs::write(&path, html).expect("a file");
        self.events.clear();
        self.call("Page.navigate", &json!({"url": format!("file://{}", path.display())}));
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.messages.recv_timeout(PATIENCE).expect("the page is loaded");
            self.events.push(event);
        }
    }

    /// The events of this kind since the page was opened.
    pub(crate) fn events(&self, method: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["method"] == method).map(|event| &event["params"]).collect()
    }

    /// Everything that the page complained of or asked for since it was opened: console, policy, dialogs, requests.
    #[track_caller]
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        let violations = self.eval("window.violations ?? []");
        let said =
            ["Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Page.javascriptDialogOpening"];
        let mut complaints: Vec<_> = said.iter().flat_map(|method| self.events(method)).map(Value::to_string).collect();
        // The first request is the page itself.
        let requests = self.events("Network.requestWillBeSent");
        complaints.extend(requests.iter().skip(1).map(|request| request["request"]["url"].to_string()));
        complaints.extend(violations.as_array().into_iter().flatten().map(Value::to_string));
        complaints
    }

    /// The value of an expression in the page.
    #[track_caller]
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let result = self.call("Runtime.evaluate", &params);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {}", result["exceptionDetails"]);
        result["result"]["value"].clone()
    }

    /// Sets the window's size.
    pub(crate) fn size(&mut self, width: u32, height: u32) {
        let params = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", &params);
    }

    /// Says that the reader wants light or dark.
    pub(crate) fn scheme(&mut self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", &json!({"media": "", "features": features}));
    }

    /// Switches scripts on or off, for the next page.
    pub(crate) fn scripts(&mut self, on: bool) {
        self.call("Emulation.setScriptExecutionDisabled", &json!({"value": !on}));
    }

    /// Presses a key, such as `Tab`.
    pub(crate) fn press(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            "ArrowRight" => 39,
            other => panic!("which code has {other}?"),
        };
        let text = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let params = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text});
            self.call("Input.dispatchKeyEvent", &params);
        }
    }

    /// Types a text where the focus is.
    pub(crate) fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", &json!({"text": text}));
    }

    /// Takes a picture of the page's first pixels into `target/page/<name>.png`.
    pub(crate) fn picture(&mut self, name: &str, most: u32) {
        let width = self.eval("innerWidth").as_u64().unwrap_or(1280);
        let height = self.eval("document.documentElement.scrollHeight").as_u64().unwrap_or(900).min(most.into());
        let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
        let params = json!({"format": "png", "captureBeyondViewport": true, "clip": clip});
        let result = self.call("Page.captureScreenshot", &params);
        keep(&format!("{name}.png"), &result);
    }

    /// Prints the page into `target/page/<name>.pdf`.
    pub(crate) fn print(&mut self, name: &str) {
        let result =
            self.call("Page.printToPDF", &json!({"printBackground": false, "paperWidth": 8.27, "paperHeight": 11.69}));
        keep(&format!("{name}.pdf"), &result);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.session = None;
        let close = json!({"id": self.last + 1, "method": "Browser.close"});
        let _ = self.input.write_all(format!("{close}\0").as_bytes());
        // It ends its own processes, and closes the pipe when it has.
        while self.messages.recv_timeout(Duration::from_secs(10)).is_ok() {}
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keep(file: &str, result: &Value) {
    let bytes = STANDARD.decode(result["data"].as_str().unwrap_or_default()).expect("base64");
    assert!(bytes.len() > 1_000, "{file} is empty");
    std::fs::write(folder().join(file), bytes).expect("a file");
}

/// Where pages and pictures are kept for people to look at.
fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .map_or(repository().join("target"), Path::to_owned)
        .join("page");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn program() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        || std::env::split_paths(&path).flat_map(|dir| NAMES.map(|name| dir.join(name))).find(|file| file.is_file());
    named.or_else(found)
}
