//! What reached the API, in order: the witness for "nothing was written".

use std::time::Instant;

use bytes::Bytes;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// Path and query, as sent.
    pub path: String,
    /// Its headers, names in lower case; a value that is no text is left out.
    pub headers: Vec<(String, String)>,
    /// The body, as sent.
    pub body: Bytes,
    /// The job that the body or the path names.
    pub job: Option<String>,
    /// The node that it reached, from 0.
    pub node: usize,
    /// When it arrived.
    pub at: Instant,
    /// What was answered; `None` while it is not, or never was.
    pub status: Option<u16>,
    /// Whether it is the barrier of FACTS 4: the POST of a job whose parent does not exist, not answered with 201. It goes
    /// through the log and writes nothing.
    pub is_barrier: bool,
}

impl Request {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// Whether it asks for a change: POST, PUT, PATCH or DELETE, except the barrier.
    pub fn is_write(&self) -> bool {
        matches!(self.method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE") && !self.is_barrier
    }
}

/// A request's place in the journal, good until the journal is cleared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket {
    generation: u64,
    index: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Journal {
    generation: u64,
    requests: Vec<Request>,
}

impl Journal {
    pub(crate) fn requests(&self) -> &[Request] {
        &self.requests
    }

    pub(crate) fn arrived(&mut self, request: Request) -> Ticket {
        self.requests.push(request);
        Ticket { generation: self.generation, index: self.requests.len() - 1 }
    }

    pub(crate) fn answered(&mut self, ticket: Ticket, status: Option<u16>, is_barrier: bool) {
        if ticket.generation == self.generation
            && let Some(request) = self.requests.get_mut(ticket.index)
        {
            request.status = status;
            request.is_barrier = is_barrier;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.generation += 1;
        self.requests.clear();
    }
}
