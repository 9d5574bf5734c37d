//! An S3 server on a folder (the crate s3s-fs), and servers that only say no, on loopback in threads of their own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use axum::Router;
use axum::error_handling::HandleError;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::{Mutex, oneshot};

const KEY: &str = "test-key";
const SECRET: &str = "test-secret";
/// The bucket that is there.
pub(crate) const BUCKET: &str = "backups";

/// A server; dropped, it is gone.
pub(crate) struct Bucket {
    url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Bucket {
    /// A bucket whose objects are the files in the folder [`Bucket::folder`] of this root.
    pub(crate) fn start(root: &Path) -> Self {
        Self::start_but(root, |_, _| None)
    }

    /// The same, but that `refuse` answers a request with a status of its own. It is told whether a backup was saved whole.
    pub(crate) fn start_but(
        root: &Path,
        refuse: impl Fn(&Request, bool) -> Option<StatusCode> + Clone + Send + Sync + 'static,
    ) -> Self {
        std::fs::create_dir_all(Self::folder(root)).expect("a folder");
        let saved = Arc::new(AtomicBool::new(false));
        let mut service = S3ServiceBuilder::new(FileSystem::new(root).expect("a folder"));
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = HandleError::new(service.build(), |_| async { StatusCode::INTERNAL_SERVER_ERROR });
        // That server looks whether an object is there, and then writes it. One after another, that is one step, as on S3.
        let writes = Arc::new(Mutex::new(()));
        let one_by_one = from_fn(move |request: Request, next: Next| {
            let writes = Arc::clone(&writes);
            let refused = refuse(&request, saved.load(Ordering::SeqCst));
            let is_last = request.method() == Method::PUT && request.uri().path().ends_with(".manifest.json");
            let saved = Arc::clone(&saved);
            async move {
                if let Some(status) = refused {
                    return status.into_response();
                }
                let _turn = if request.method() == Method::PUT { Some(writes.lock_owned().await) } else { None };
                let response = next.run(request).await;
                saved.fetch_or(is_last, Ordering::SeqCst);
                response
            }
        });
        Self::serve(Router::new().fallback_service(service).layer(one_by_one))
    }

    /// A store that answers everything with this status.
    pub(crate) fn saying(status: StatusCode) -> Self {
        let body = "<?xml version=\"1.0\"?><Error><Code>No</Code><Message>not today</Message></Error>";
        Self::serve(Router::new().fallback(move || async move { (status, body) }))
    }

    /// Where the bucket's files lie.
    pub(crate) fn folder(root: &Path) -> PathBuf {
        root.join(BUCKET)
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What the program needs to know about it.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", &self.url),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_PAGER", "cat"),
            ("HOME", "/nowhere"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    fn serve(app: Router) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a socket");
                let serve = axum::serve(listener, app);
                tokio::select! {
                    served = serve => served.expect("a server"),
                    _ = stopped => {}
                }
            });
        });
        Self { url, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
