//! The control socket: clients come, ask, are answered, and go. Whatever a client does costs only
//! itself: every read and write is one that does not wait, and everything that is kept is bounded.
//!
//! It decides nothing: requests become events, answers come back as actions.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use litemap::LiteMap;
use nix::sys::epoll::EpollFlags;
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::geteuid;

use super::client;
use super::memory;
use super::place::Place;
use super::reactor::{Reactor, Token};
use super::tail::{Tail, Viewer};
use crate::control::{self, End, Event as EventLine, Line, Lost, Meaning, Scene, Session, Spoken};
use crate::limits::{
    ACCEPTS_A_TURN_MAX, CLIENT_READ_BYTES, CLIENTS_MAX, EVENTS_KEPT, FEW_CLIENTS, GOODBYE_TIME_MAX,
    REPORTS_A_TURN_MAX, REPORTS_WAITING_MAX,
};
use crate::service::{Level, LogTarget, Name, Pattern, Spec};
use crate::supervisor::{Answer, Ask, Change, Event, Report, Ticket};

/// The control socket and its clients.
pub struct Control {
    door: Option<Door>,
    clients: LiteMap<u64, Client>,
    /// Whose question it is.
    tickets: LiteMap<Ticket, u64>,
    last_client: u64,
    last_ticket: u64,
    /// The latest changes, for who comes late; put into words when somebody does.
    recent: VecDeque<Kept>,
    /// Reports that wait to be put into words, over all clients.
    waiting: usize,
    /// Whether so much was kept for clients that it is worth giving the memory back.
    has_grown: bool,
    /// How many there may be.
    clients_max: usize,
    tail: Tail,
}

/// Where clients come in.
struct Door {
    place: Place,
    /// Whether it is watched. Not while there are no descriptors to be had.
    is_open: bool,
}

struct Client {
    socket: OwnedFd,
    session: Session,
    ticket: Option<Ticket>,
    /// What it wants once it is known whether these services exist.
    wish: Option<Wish>,
    /// Reports to be put into words, and then the end of the answer.
    reports: VecDeque<Report>,
    end: Option<End>,
    follows: Option<Follows>,
    interest: EpollFlags,
    /// It says nothing more, but may still listen.
    is_half_closed: bool,
}

/// A change with what was known of its moment.
struct Kept {
    change: Change,
    wall_clock: u64,
    pid: Option<i32>,
}

impl Kept {
    fn line(&self) -> EventLine {
        let pid = |_| self.pid;
        control::event(
            &self.change,
            &Scene { now: self.change.at, wall_clock: self.wall_clock, own_pid: 0, pid: &pid },
        )
    }
}

/// What the supervisor knows nothing of.
enum Wish {
    Logs { names: Vec<Pattern>, lines: Option<usize>, follow: bool },
    Events { names: Vec<Pattern>, follow: bool },
}

/// A client that is told every change.
struct Follows {
    names: Vec<Pattern>,
    /// How many it was too slow for since it was told last.
    lost: u64,
}

/// What is known of the moment a client is served.
pub type Moment<'a> = Scene<'a>;

impl Control {
    /// A control socket at `place`; without one nobody can ask.
    #[must_use]
    pub fn new(place: Option<Place>, tail: Tail, reactor: &Reactor) -> Self {
        let door = place.map(|place| {
            let is_open = reactor.watch(place.listener.as_fd(), Token::Door).is_ok();
            Door { place, is_open }
        });
        Self {
            door,
            clients: LiteMap::new(),
            tickets: LiteMap::new(),
            last_client: 0,
            last_ticket: 0,
            recent: VecDeque::new(),
            waiting: 0,
            has_grown: false,
            clients_max: clients_max(),
            tail,
        }
    }

    /// Closes the door, and removes it from the file system. Who is inside sees the end of onit as
    /// the end of the connection, and has a moment to go by itself: a client in the same process
    /// namespace would be killed with it, and its user would be told that something went wrong.
    pub fn finish(&mut self) {
        if let Some(door) = self.door.take() {
            door.place.remove();
        }
        let sockets: Vec<OwnedFd> = std::mem::take(&mut self.clients)
            .into_iter()
            .map(|(_, client)| client.socket)
            .collect();
        for socket in &sockets {
            client::say_goodbye(socket.as_fd());
        }
        client::wait_for_hangups(&sockets, GOODBYE_TIME_MAX);
    }

    // ---- coming in ----

    /// Somebody is at the door. Who comes in has mostly asked already.
    pub fn accept(&mut self, reactor: &Reactor, moment: &Moment<'_>, events: &mut Vec<Event>) {
        for _ in 0..ACCEPTS_A_TURN_MAX {
            let Some(door) = &mut self.door else { return };
            match door.place.listener.accept() {
                Ok((stream, _)) => {
                    if let Some(id) = self.admit(OwnedFd::from(stream), reactor) {
                        self.serve(id, EpollFlags::EPOLLIN, reactor, moment, events);
                    }
                }
                Err(error) => match error.raw_os_error() {
                    // Who was there has gone.
                    Some(libc::ECONNABORTED | libc::EINTR) => {}
                    Some(libc::EAGAIN) => return,
                    // No descriptor or memory to be had, and the door would stay readable: it is
                    // looked at again when something else has happened.
                    _ => {
                        reactor.forget(door.place.listener.as_fd());
                        door.is_open = false;
                        return;
                    }
                },
            }
        }
    }

    /// Opens the door again, if it had to be closed.
    pub fn reopen(&mut self, reactor: &Reactor) {
        if let Some(door) = &mut self.door
            && !door.is_open
        {
            door.is_open = reactor.watch(door.place.listener.as_fd(), Token::Door).is_ok();
        }
    }

    fn admit(&mut self, socket: OwnedFd, reactor: &Reactor) -> Option<u64> {
        let uid = client::peer(socket.as_fd()).map(|(uid, _)| uid);
        if !uid.is_ok_and(|uid| uid == 0 || uid == geteuid().as_raw()) {
            let message = "only root and the user onit runs as may ask";
            turn_away(socket.as_fd(), End::failed("denied", message));
            return None;
        }
        if self.clients.len().saturating_add(self.tail.clients()) >= self.clients_max {
            self.make_room(reactor);
        }
        if self.clients.len().saturating_add(self.tail.clients()) >= self.clients_max {
            let message = format!("onit has {} clients already; try again later", self.clients_max);
            turn_away(socket.as_fd(), End::failed("busy", message));
            return None;
        }
        self.has_grown |= self.clients.len() >= FEW_CLIENTS;
        self.last_client = self.last_client.saturating_add(1);
        let id = self.last_client;
        let interest = EpollFlags::EPOLLIN;
        reactor.watch(socket.as_fd(), Token::Client(id)).ok()?;
        self.clients.insert(
            id,
            Client {
                socket,
                session: Session::default(),
                ticket: None,
                wish: None,
                reports: VecDeque::new(),
                end: None,
                follows: None,
                interest,
                is_half_closed: false,
            },
        );
        Some(id)
    }

    /// Lets go of the oldest of those that have asked for nothing.
    fn make_room(&mut self, reactor: &Reactor) {
        let idle = |client: &Client| !client.session.is_answering() && client.follows.is_none();
        let oldest = self.clients.iter().find(|(_, client)| idle(client)).map(|(id, _)| *id);
        if let Some(client) = oldest.and_then(|id| self.clients.get_mut(&id)) {
            let message = "let go: it asked for nothing, and another one needed the place";
            client.session.end(End::failed("busy", message));
            client::farewell(client.socket.as_fd(), &mut client.session);
        }
        if let Some(id) = oldest {
            // It waits for nothing, so there is nobody to be told.
            let _ = self.let_go(id, reactor);
        }
    }

    fn let_go(&mut self, id: u64, reactor: &Reactor) -> Option<Event> {
        let client = self.clients.remove(&id)?;
        reactor.forget(client.socket.as_fd());
        self.waiting = self.waiting.saturating_sub(client.reports.len());
        let ticket = client.ticket;
        drop(client);
        if self.clients.is_empty() && std::mem::take(&mut self.has_grown) {
            memory::give_back();
        }
        let ticket = ticket?;
        self.tickets.remove(&ticket);
        Some(Event::HungUp { ticket })
    }

    // ---- asking ----

    /// Something happened at a client's socket.
    pub fn serve(
        &mut self,
        id: u64,
        flags: EpollFlags,
        reactor: &Reactor,
        moment: &Moment<'_>,
        events: &mut Vec<Event>,
    ) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let mut is_gone = flags.intersects(EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR);
        if flags.contains(EpollFlags::EPOLLIN) && client.wants_bytes() {
            is_gone |= client.read().is_err();
        }
        if is_gone {
            events.extend(self.let_go(id, reactor));
            return;
        }
        self.go_on(id, reactor, moment, events);
    }

    /// Takes the client's requests, says what is to be said, and waits for what comes next.
    fn go_on(&mut self, id: u64, reactor: &Reactor, moment: &Moment<'_>, events: &mut Vec<Event>) {
        loop {
            let Some(client) = self.clients.get_mut(&id) else { return };
            let before = client.reports.len();
            client.put_into_words(moment);
            self.waiting = self.waiting.saturating_sub(before.saturating_sub(client.reports.len()));
            let is_sent = client::send(client.socket.as_fd(), &mut client.session).is_ok();
            if !is_sent || client.session.is_over() {
                if is_sent && !client.is_half_closed {
                    client::farewell(client.socket.as_fd(), &mut client.session);
                }
                events.extend(self.let_go(id, reactor));
                return;
            }
            let Some(request) = client.session.next_request() else { break };
            match request.meaning() {
                Ok(meaning) => events.extend(self.ask(id, meaning, reactor)),
                Err(fault) => client.session.refuse(&fault),
            }
        }
        let Some(client) = self.clients.get_mut(&id) else { return };
        if client.watch(id, reactor).is_err() {
            events.extend(self.let_go(id, reactor));
        }
    }

    fn ask(&mut self, id: u64, meaning: Meaning, reactor: &Reactor) -> Option<Event> {
        let client = self.clients.get_mut(&id)?;
        let ask = match meaning {
            Meaning::Ask(ask) => ask,
            Meaning::Logs { names, lines, follow } => {
                // onit itself is none of the supervisor's services, but it speaks as one.
                let others = names.iter().filter(|name| name.as_str() != Name::ONIT);
                let others: Vec<Pattern> = others.cloned().collect();
                let only_onit = others.is_empty() && !names.is_empty();
                client.wish = Some(Wish::Logs { names, lines, follow });
                if only_onit {
                    self.grant(id, Vec::new(), reactor);
                    return None;
                }
                Ask::Status { names: others }
            }
            Meaning::Events { names, follow } => {
                client.wish = Some(Wish::Events { names: names.clone(), follow });
                Ask::Status { names }
            }
        };
        let ticket = self.ticket();
        let client = self.clients.get_mut(&id)?;
        client.ticket = Some(ticket);
        self.tickets.insert(ticket, id);
        Some(Event::Asked { ticket, ask })
    }

    /// A ticket for a question. The answer to one that no client has is heard by nobody.
    pub(super) fn ticket(&mut self) -> Ticket {
        self.last_ticket = self.last_ticket.saturating_add(1);
        Ticket(self.last_ticket)
    }

    // ---- being answered ----

    /// The supervisor answers.
    pub fn reply(
        &mut self,
        ticket: Ticket,
        answer: Answer,
        reactor: &Reactor,
        moment: &Moment<'_>,
        events: &mut Vec<Event>,
    ) {
        let Some(id) = self.tickets.get(&ticket).copied() else { return };
        let Some(client) = self.clients.get_mut(&id) else { return };
        match (answer, client.wish.is_some()) {
            (Answer::Status(reports), true) => {
                self.tickets.remove(&ticket);
                client.ticket = None;
                self.grant(id, reports, reactor);
            }
            (answer, _) => self.say(id, ticket, control::answer(answer, moment)),
        }
        self.go_on(id, reactor, moment, events);
    }

    fn say(&mut self, id: u64, ticket: Ticket, spoken: Spoken) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Spoken { lines, reports, end } = spoken;
        let is_too_much =
            self.waiting.saturating_add(reports.len()) > REPORTS_WAITING_MAX && !reports.is_empty();
        if is_too_much {
            self.tickets.remove(&ticket);
            client.ticket = None;
            let message = "too many answers are waiting to be read; try again later";
            client.session.end(End::failed("busy", message));
            return;
        }
        for line in &lines {
            // What says how far things are is left out for who does not read it.
            let is_progress = matches!(line, Line::Progress(_));
            if !is_progress || client.session.has_room() {
                client.session.say(line);
            }
        }
        self.waiting = self.waiting.saturating_add(reports.len());
        self.has_grown |= self.waiting > REPORTS_A_TURN_MAX;
        client.reports.extend(reports);
        if end.is_some() {
            self.tickets.remove(&ticket);
            client.ticket = None;
            client.wish = None;
            client.end = end;
        }
    }

    /// The services a client wants to read along with exist.
    fn grant(&mut self, id: u64, reports: Vec<Report>, reactor: &Reactor) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        match client.wish.take() {
            Some(Wish::Logs { names, lines, follow }) => {
                let named = reports.iter().map(|report| &report.spec).filter(|spec| {
                    names.iter().any(|pattern| pattern.as_str() == spec.name.as_str())
                });
                if let Some(spec) = named.into_iter().find(|spec| is_not_kept(spec)) {
                    let name = &spec.name;
                    let message = match spec.log.consumers().next() {
                        Some(consumer) => {
                            format!("{consumer} reads what {name} writes: nothing is kept of it")
                        }
                        None => format!(
                            "{name} writes to onit's own output itself, or nowhere: nothing is kept of it"
                        ),
                    };
                    client.session.end(End::failed("refused", message));
                    return;
                }
                // From here on it is no client of the loop's.
                let Some(client) = self.clients.remove(&id) else { return };
                reactor.forget(client.socket.as_fd());
                let viewer = Viewer { socket: client.socket, names, lines, follow };
                if let Err(failure) = self.tail.serve(viewer) {
                    log::log!(super::log_level(Level::Warn), "onit logs: {failure}");
                }
            }
            Some(Wish::Events { names, follow }) => {
                let name = |kept: &Kept| kept.change.report.spec.name.clone();
                let wanted = |kept: &&Kept| is_wanted(&names, name(kept).as_str());
                for kept in self.recent.iter().filter(wanted) {
                    client.session.say(&Line::Event(kept.line()));
                }
                if follow {
                    client.follows = Some(Follows { names, lost: 0 });
                } else {
                    client.session.end(End::ok(""));
                }
            }
            None => {}
        }
    }

    /// A service has become something else.
    pub fn tell(
        &mut self,
        change: Change,
        reactor: &Reactor,
        moment: &Moment<'_>,
        events: &mut Vec<Event>,
    ) {
        if self.door.is_none() {
            return;
        }
        let pid = change.report.state.run().and_then(moment.pid);
        let kept = Kept { change, wall_clock: moment.wall_clock, pid };
        let name = kept.change.report.spec.name.as_str();
        let following = |client: &Client| {
            client.follows.as_ref().is_some_and(|follows| is_wanted(&follows.names, name))
        };
        let followers: Vec<u64> = self
            .clients
            .iter()
            .filter(|(_, client)| following(client))
            .map(|(id, _)| *id)
            .collect();
        if !followers.is_empty() {
            let event = kept.line();
            for id in followers {
                if let Some(client) = self.clients.get_mut(&id) {
                    client.follow(&event);
                }
                self.go_on(id, reactor, moment, events);
            }
        }
        if self.recent.len() >= EVENTS_KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back(kept);
    }
}

impl Client {
    fn wants_bytes(&self) -> bool {
        self.session.wants_bytes() && !self.is_half_closed && self.end.is_none()
    }

    fn read(&mut self) -> Result<(), nix::errno::Errno> {
        let mut buffer = [0; CLIENT_READ_BYTES];
        match client::receive(self.socket.as_fd(), &mut buffer)? {
            Some(0) => {
                self.is_half_closed = true;
                self.session.received_all();
            }
            Some(bytes) => self.session.receive(buffer.get(..bytes).unwrap_or_default()),
            None => {}
        }
        Ok(())
    }

    /// Puts reports into words, as many as there is room and time for; after the last the answer
    /// ends.
    fn put_into_words(&mut self, moment: &Moment<'_>) {
        for _ in 0..REPORTS_A_TURN_MAX {
            if !self.session.has_room() {
                return;
            }
            let Some(report) = self.reports.pop_front() else { break };
            self.session.say(&Line::Status(Box::new(control::status(&report, moment))));
        }
        if self.reports.is_empty() {
            self.reports = VecDeque::new();
            if let Some(end) = self.end.take() {
                self.session.end(end);
                if self.is_half_closed {
                    self.session.received_all();
                }
            }
        }
    }

    fn follow(&mut self, event: &EventLine) {
        let Some(follows) = &mut self.follows else { return };
        if !self.session.has_room() {
            follows.lost = follows.lost.saturating_add(1);
            return;
        }
        if follows.lost > 0 {
            self.session.say(&Line::Lost(Lost { service: None, count: follows.lost }));
            follows.lost = 0;
        }
        self.session.say(&Line::Event(event.clone()));
    }

    /// Waits for requests where they are welcome, for room where something is to be said, and for
    /// the client to go in any case.
    fn watch(&mut self, id: u64, reactor: &Reactor) -> Result<(), nix::errno::Errno> {
        let mut wanted = EpollFlags::empty();
        wanted.set(EpollFlags::EPOLLIN, self.wants_bytes());
        // What ends the answer is said when there is room, and the socket may have taken all there
        // was before it.
        let has_more =
            !self.session.unsent().is_empty() || !self.reports.is_empty() || self.end.is_some();
        wanted.set(EpollFlags::EPOLLOUT, has_more);
        if wanted != self.interest {
            self.interest = wanted;
            reactor.change(self.socket.as_fd(), Token::Client(id), wanted)?;
        }
        Ok(())
    }
}

/// Clients must not take the descriptors that services need to start.
fn clients_max() -> usize {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((u64::MAX, u64::MAX));
    usize::try_from(soft / 4).unwrap_or(CLIENTS_MAX).clamp(1, CLIENTS_MAX)
}

/// Says why, if that can be said at once, and closes the connection.
fn turn_away(socket: BorrowedFd<'_>, end: End) {
    let mut session = Session::default();
    session.end(end);
    client::farewell(socket, &mut session);
}

fn is_wanted(names: &[Pattern], name: &str) -> bool {
    names.is_empty() || names.iter().any(|pattern| pattern.fits(name.as_bytes()))
}

/// Whether no output of it passes through onit.
fn is_not_kept(spec: &Spec) -> bool {
    let stderr = spec.log.stderr.as_ref();
    !spec.log.stdout.is_relayed() && !stderr.is_some_and(LogTarget::is_relayed)
}
