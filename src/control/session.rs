//! One client: bytes in, requests out; lines in, bytes out. Bounded both ways.
//!
//! A client is answered one request at a time. While an answer is being given nothing more is taken
//! from it, so whoever sends without reading waits for itself.

use super::line::{End, Line};
use super::request::{Fault, Request};
use crate::limits::{ANSWER_BYTES_AHEAD, REQUEST_BYTES_MAX};

/// What has been exchanged with one client and is not done with.
#[derive(Debug, Default)]
pub struct Session {
    /// What came and is no whole line yet, or waits for its turn.
    inbox: Vec<u8>,
    /// What is to be sent.
    outbox: Vec<u8>,
    /// How much of that has been.
    sent: usize,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// The next request may come.
    #[default]
    Listening,
    /// A request is being answered.
    Answering,
    /// Nothing more is taken; what is to be sent is sent.
    Closing,
}

impl Session {
    /// Takes bytes from the client. Only when it [wants](Session::wants_bytes) them.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.inbox.extend_from_slice(bytes);
    }

    /// The client says nothing more. What it has not ended is no request.
    pub fn received_all(&mut self) {
        if let Some(end) = self.inbox.iter().rposition(|byte| *byte == b'\n') {
            self.inbox.truncate(end.saturating_add(1));
        } else {
            self.inbox.clear();
        }
        if self.stage == Stage::Listening && self.inbox.is_empty() {
            self.stage = Stage::Closing;
        }
    }

    /// The next request, if there is a whole one and the one before is answered. What is none is
    /// answered here.
    pub fn next_request(&mut self) -> Option<Request> {
        while self.stage == Stage::Listening {
            let Some(end) = self.inbox.iter().position(|byte| *byte == b'\n') else {
                if self.inbox.len() > REQUEST_BYTES_MAX {
                    let most = format!("a request is at most {REQUEST_BYTES_MAX} bytes long");
                    self.refuse(&Fault(most));
                    self.close();
                }
                return None;
            };
            let rest = self.inbox.split_off(end.saturating_add(1));
            let mut line = std::mem::replace(&mut self.inbox, rest);
            line.pop();
            if line.trim_ascii().is_empty() {
                continue;
            }
            match Request::parse(&line) {
                Ok(request) => {
                    self.stage = Stage::Answering;
                    return Some(request);
                }
                Err(fault) => self.refuse(&fault),
            }
        }
        None
    }

    /// Says one line of the answer.
    pub fn say(&mut self, line: &Line) {
        if self.stage != Stage::Closing {
            line.write(&mut self.outbox);
        }
    }

    /// Says the last line of the answer: the next request may come.
    pub fn end(&mut self, end: End) {
        self.say(&Line::End(end));
        if self.stage == Stage::Answering {
            self.stage = Stage::Listening;
        }
    }

    /// Says what is wrong with a request.
    pub fn refuse(&mut self, fault: &Fault) {
        self.end(End::failed("bad-request", &fault.0));
    }

    /// Takes nothing more.
    pub fn close(&mut self) {
        self.stage = Stage::Closing;
        self.inbox = Vec::new();
    }

    /// Whether bytes of the client are welcome.
    #[must_use]
    pub fn wants_bytes(&self) -> bool {
        self.stage == Stage::Listening && self.outbox.len() < ANSWER_BYTES_AHEAD
    }

    /// Whether a request is being answered.
    #[must_use]
    pub fn is_answering(&self) -> bool {
        self.stage == Stage::Answering
    }

    /// Whether more lines may be said before some have been sent.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.outbox.len().saturating_sub(self.sent) < ANSWER_BYTES_AHEAD
    }

    /// What is to be sent.
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        self.outbox.get(self.sent..).unwrap_or_default()
    }

    /// So many bytes have been sent.
    pub fn sent(&mut self, bytes: usize) {
        self.sent = self.sent.saturating_add(bytes);
        if self.sent >= self.outbox.len() {
            // Not only cleared: a thousand clients that once asked for much keep nothing.
            self.outbox = Vec::new();
            self.sent = 0;
        }
    }

    /// Whether there is nothing left to do for this client.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Closing && self.unsent().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(session: &mut Session) -> String {
        let text = String::from_utf8(session.unsent().to_vec()).unwrap();
        session.sent(text.len());
        text
    }

    #[test]
    fn requests_come_one_at_a_time_however_they_are_cut() {
        let text = b"\n{\"onit\":1,\"do\":\"status\"}\n{\"onit\":1,\"do\":\"health\"}\n{\"on";
        for size in 1..text.len() {
            let mut session = Session::default();
            let mut verbs = Vec::new();
            for chunk in text.chunks(size) {
                session.receive(chunk);
                while let Some(request) = session.next_request() {
                    verbs.push(request.verb);
                    assert!(session.is_answering() && !session.wants_bytes());
                    assert_eq!(session.next_request(), None);
                    session.end(End::ok(""));
                }
            }
            assert_eq!(verbs, ["status", "health"], "in pieces of {size}");
            session.received_all();
            assert_eq!(said(&mut session).lines().count(), 2);
            assert!(session.is_over());
        }
    }

    #[test]
    fn a_line_without_an_end_is_refused_before_it_is_long() {
        let mut session = Session::default();
        for _ in 0..=REQUEST_BYTES_MAX / 1000 {
            session.receive(&[b'x'; 1000]);
            assert_eq!(session.next_request(), None);
        }
        assert!(said(&mut session).contains("at most"));
        assert!(session.is_over() && !session.wants_bytes());
    }

    #[test]
    fn garbage_costs_one_answer_and_no_more() {
        let mut session = Session::default();
        session.receive(b"\xff\xfe\n{}\n{\"onit\":1,\"do\":\"status\"}\n");
        assert!(session.next_request().is_some_and(|request| request.verb.is_empty()));
        session.end(End::ok(""));
        assert!(session.next_request().is_some_and(|request| request.verb == "status"));
        assert!(said(&mut session).starts_with("{\"end\":{\"ok\":false,\"error\":\"bad-request\""));
    }
}
