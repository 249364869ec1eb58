//! What the supervisor says: data for whoever watches, worded here in one place.

use std::fmt;
use std::time::Duration;

use super::ask::Difference;
use super::state::{End, Reason, Unfit};
use crate::service::{Exit, Failure, Level, Name, Problem, Remedy, Role, Signal};

/// Something the supervisor says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The command of a service runs.
    Started {
        /// Whose.
        service: Name,
        /// How often it ran before.
        restarts: u32,
    },
    /// A service is ready that did not say so by being executed.
    Ready {
        /// Which.
        service: Name,
        /// How long that took.
        after: Duration,
    },
    /// A service is not well.
    Unhealthy {
        /// Which.
        service: Name,
        /// What was found; may be empty.
        finding: String,
        /// What is done about it.
        remedy: Remedy,
    },
    /// A service is well again.
    Healthy {
        /// Which.
        service: Name,
    },
    /// A service is restarted because another runs again.
    RestartedWith {
        /// Which.
        service: Name,
        /// With whom.
        with: Name,
    },
    /// A service is told to read its configuration again.
    Reloading {
        /// Which.
        service: Name,
    },
    /// It could not read its configuration again.
    ReloadFailed {
        /// Which.
        service: Name,
        /// Why.
        why: String,
    },
    /// A service has ended unasked, or could not be started.
    Ended {
        /// Which.
        service: Name,
        /// How.
        end: End,
        /// How long its command ran.
        ran: Duration,
        /// What comes next.
        next: Next,
    },
    /// The main command could not be executed.
    CannotRun {
        /// Why.
        end: End,
    },
    /// A service will not be started, because of another.
    NotStarted {
        /// Which.
        service: Name,
        /// Why.
        reason: Reason,
    },
    /// A service that was asked to stop is down.
    Stopped {
        /// Which.
        service: Name,
        /// How its command ended, if it ran.
        exit: Option<Exit>,
    },
    /// A run did not end in time and is killed.
    Killing {
        /// Of which service.
        service: Name,
        /// Which of its commands.
        role: Role,
        /// How long it was given.
        patience: Patience,
    },
    /// The processes that a run left behind did not end in time and are killed.
    KillingLeftovers {
        /// Of which service.
        service: Name,
    },
    /// A stop command or an `after_exit` command failed, and things go on without it.
    HookFailed {
        /// Of which service.
        service: Name,
        /// Which of its commands.
        role: Role,
        /// How.
        end: End,
    },
    /// Everything is being stopped.
    ShuttingDown {
        /// Why.
        by: By,
    },
    /// The time for a shutdown is over and these are killed.
    OutOfTime {
        /// Who is still there.
        services: Vec<Name>,
    },
    /// What nobody claimed is still there at the end, and is killed.
    KillingStrangers,
    /// The sources have been read again, and this is applied.
    Reloaded(Difference),
    /// The sources have been read again, for which nobody had asked, and say the same.
    RereadInVain,
    /// The sources have been read again and have problems; nothing has changed.
    ReloadRefused {
        /// How many.
        problems: usize,
    },
    /// One of those.
    ReloadProblem(Problem),
}

/// What a process did not respect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// The time from the stop signal to the KILL.
    Stop,
    /// The longest time such a command may take.
    Limit(Duration),
}

/// What comes after the end of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is started again at once.
    Restart,
    /// It is started again after a while.
    Retry {
        /// After how long.
        wait: Duration,
        /// The how manieth end in a row this was.
        ends: u32,
        /// How many there may be; 0 for any number.
        limit: u32,
    },
    /// Nothing: it has done its work.
    Completed,
    /// Nothing: it has failed for good.
    Failed {
        /// Whether that was one end too many rather than its policy.
        limit_reached: bool,
    },
}

/// Why everything is being stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// A signal asked for it.
    Signal(Signal),
    /// Somebody asked for it on the control socket.
    Request,
    /// This service ended, and that was to end everything.
    Service {
        /// Which.
        service: Name,
        /// The exit code that makes.
        code: u8,
    },
    /// This service is not well, and that was to end everything.
    Unhealthy {
        /// Which.
        service: Name,
    },
    /// No service is wanted or running any more.
    NothingLeft {
        /// The exit code that makes.
        code: u8,
    },
}

impl Notice {
    /// The service, if it says that one ended because it was not ready, or done, in time: what it
    /// wrote last
    /// may say why.
    #[must_use]
    pub fn ended_unready(&self) -> Option<&Name> {
        let Self::Ended { service, end: End::Unfit { why, .. }, .. } = self else { return None };
        match why {
            Unfit::NotReady { .. } | Unfit::TooLong { .. } | Unfit::NeverReady => Some(service),
            Unfit::Unhealthy { .. } => None,
        }
    }

    /// How much it matters.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Started { .. }
            | Self::Ready { .. }
            | Self::Healthy { .. }
            | Self::RestartedWith { .. }
            | Self::Reloading { .. }
            | Self::Stopped { .. } => Level::Info,
            Self::Unhealthy { .. } | Self::ReloadFailed { .. } => Level::Warn,
            Self::Ended { next, .. } => match next {
                Next::Completed => Level::Info,
                Next::Restart | Next::Retry { .. } => Level::Warn,
                Next::Failed { .. } => Level::Error,
            },
            Self::CannotRun { .. } | Self::NotStarted { .. } => Level::Error,
            Self::Killing { .. }
            | Self::KillingLeftovers { .. }
            | Self::HookFailed { .. }
            | Self::OutOfTime { .. }
            | Self::KillingStrangers => Level::Warn,
            Self::Reloaded(_) => Level::Info,
            Self::RereadInVain => Level::Debug,
            Self::ReloadRefused { .. } | Self::ReloadProblem(_) => Level::Error,
            Self::ShuttingDown { by } => match by {
                By::Signal(_) | By::Request | By::NothingLeft { .. } => Level::Info,
                By::Service { code: 0, .. } => Level::Info,
                By::Service { .. } | By::Unhealthy { .. } => Level::Error,
            },
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { service, restarts: 0 } => write!(f, "{service}: started"),
            Self::Started { service, restarts } => {
                write!(f, "{service}: started again (restart {restarts})")
            }
            Self::Ready { service, after } => {
                write!(f, "{service}: ready after {}", Rounded(*after))
            }
            Self::Unhealthy { service, finding, remedy } => {
                let gap = if finding.is_empty() { "" } else { ": " };
                write!(f, "{service}: unhealthy{gap}{finding}")?;
                f.write_str(match remedy {
                    Remedy::Restart => "; restarting it",
                    Remedy::Shutdown => "",
                    Remedy::Continue => "; going on",
                })
            }
            Self::Healthy { service } => write!(f, "{service}: healthy again"),
            Self::RestartedWith { service, with } => {
                write!(f, "{service}: restarting with {with}")
            }
            Self::Reloading { service } => write!(f, "{service}: reloading"),
            Self::ReloadFailed { service, why } => write!(f, "{service}: not reloaded: {why}"),
            Self::Ended { service, end, ran, next } => {
                write!(f, "{service}: {end}")?;
                if let End::Exited(_) = end {
                    write!(f, " after {}", Rounded(*ran))?;
                }
                write!(f, "; {next}")
            }
            Self::CannotRun { end } => end.fmt(f),
            Self::NotStarted { service, reason } => write!(f, "{service}: not started: {reason}"),
            Self::Stopped { service, exit: Some(exit) } => write!(f, "{service}: stopped ({exit})"),
            Self::Stopped { service, exit: None } => write!(f, "{service}: stopped"),
            Self::Killing { service, role: Role::Main, patience: Patience::Stop } => {
                write!(f, "{service}: did not stop in time, is killed")
            }
            Self::Killing { service, role, patience: Patience::Stop } => {
                write!(f, "{service}: its {role} did not stop in time, is killed")
            }
            Self::Killing { service, role, patience: Patience::Limit(limit) } => {
                write!(f, "{service}: its {role} took longer than {}, is killed", Rounded(*limit))
            }
            Self::KillingLeftovers { service } => {
                write!(f, "{service}: processes it left behind did not end in time, are killed")
            }
            // The end of a hook names its role already.
            Self::HookFailed { service, role: _, end: end @ End::HookFailed { .. } } => {
                write!(f, "{service}: {end}; going on")
            }
            Self::HookFailed { service, role, end } => {
                write!(f, "{service}: its {role} failed: {end}; going on")
            }
            Self::ShuttingDown { by } => write!(f, "stopping everything: {by}"),
            Self::OutOfTime { services } => {
                f.write_str("the time to stop is over, killing")?;
                for (at, service) in services.iter().enumerate() {
                    write!(f, "{} {service}", if at == 0 { "" } else { "," })?;
                }
                Ok(())
            }
            Self::KillingStrangers => {
                f.write_str("processes of no service did not end in time, are killed")
            }
            Self::Reloaded(difference) => write!(f, "reloaded; {difference}"),
            Self::RereadInVain => f.write_str("read the sources again; nothing has changed"),
            Self::ReloadRefused { problems: 1 } => {
                f.write_str("not reloaded: 1 problem; nothing was changed")
            }
            Self::ReloadRefused { problems } => {
                write!(f, "not reloaded: {problems} problems; nothing was changed")
            }
            Self::ReloadProblem(problem) => problem.fmt(f),
        }
    }
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restart => f.write_str("starting again"),
            Self::Retry { wait, ends, limit: 0 } => {
                write!(f, "next attempt in {} ({ends} in a row)", Rounded(*wait))
            }
            Self::Retry { wait, ends, limit } => {
                write!(f, "next attempt in {} ({ends} of {limit} in a row)", Rounded(*wait))
            }
            Self::Completed => f.write_str("completed"),
            Self::Failed { limit_reached: true } => f.write_str("too often in a row, giving up"),
            Self::Failed { limit_reached: false } => f.write_str("failed, not started again"),
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(signal) => write!(f, "{signal}"),
            Self::Request => f.write_str("asked to by onit shutdown"),
            Self::Unhealthy { service } => write!(f, "{service} is unhealthy"),
            Self::Service { service, code } => write!(f, "{service} has ended (exit code {code})"),
            Self::NothingLeft { code } => write!(f, "nothing left to run (exit code {code})"),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(exit) => exit.fmt(f),
            Self::Unfit { why, exit } => write!(f, "{why} ({exit})"),
            Self::NotStarted(failure) => Failure::fmt(failure, f),
            Self::HookFailed { role, exit } => write!(f, "its {role} failed ({exit})"),
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { time } => write!(f, "not done within {}", Rounded(*time)),
            Self::NotReady { time, finding } if finding.is_empty() => {
                write!(f, "not ready within {}", Rounded(*time))
            }
            Self::NotReady { time, finding } => {
                write!(f, "not ready within {}: {finding}", Rounded(*time))
            }
            Self::NeverReady => f.write_str("closed its readiness descriptor without a newline"),
            Self::Unhealthy { finding } if finding.is_empty() => f.write_str("unhealthy"),
            Self::Unhealthy { finding } => write!(f, "unhealthy: {finding}"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(end) => end.fmt(f),
            Self::Dependency(name) => write!(f, "it needs {name}, which has failed"),
        }
    }
}

/// A duration to two or three digits: `1.3 s`, `250 ms`.
pub(super) struct Rounded(pub(super) Duration);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        if self.0 < Duration::from_secs(1) {
            write!(f, "{} ms", self.0.as_millis())
        } else if self.0 < Duration::from_secs(10) {
            write!(f, "{seconds:.1} s")
        } else if self.0 < Duration::from_secs(600) {
            write!(f, "{seconds:.0} s")
        } else {
            write!(f, "{:.0} min", seconds / 60.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{Errno, RunId};

    #[test]
    fn notices_read_as_a_person_would_say_it() {
        let web = || Name::new("web").unwrap();
        let check = |notice: Notice, expected: &str| assert_eq!(notice.to_string(), expected);
        check(
            Notice::Ended {
                service: web(),
                end: End::Exited(Exit::Code(1)),
                ran: Duration::from_millis(3210),
                next: Next::Retry { wait: Duration::from_millis(200), ends: 2, limit: 10 },
            },
            "web: exit code 1 after 3.2 s; next attempt in 200 ms (2 of 10 in a row)",
        );
        check(
            Notice::Ended {
                service: web(),
                end: End::NotStarted(Failure::errno(Failure::EXECUTE, "/web", Errno::ENOENT)),
                ran: Duration::ZERO,
                next: Next::Failed { limit_reached: false },
            },
            "web: cannot execute /web: no such file or directory; failed, not started again",
        );
        check(
            Notice::NotStarted {
                service: web(),
                reason: Reason::Dependency(Name::new("db").unwrap()),
            },
            "web: not started: it needs db, which has failed",
        );
        check(
            Notice::ShuttingDown { by: By::Service { service: web(), code: 3 } },
            "stopping everything: web has ended (exit code 3)",
        );
        let role = Role::StopCommand { main: Some(RunId(1)) };
        check(
            Notice::HookFailed {
                service: web(),
                role,
                end: End::HookFailed { role, exit: Exit::Code(1) },
            },
            "web: its stop.command failed (exit code 1); going on",
        );
        let failure = Failure::errno(Failure::EXECUTE, "/stop", Errno::ENOENT);
        check(
            Notice::HookFailed { service: web(), role, end: End::NotStarted(failure) },
            "web: its stop.command failed: cannot execute /stop: no such file or directory; \
             going on",
        );
        check(
            Notice::OutOfTime { services: vec![web(), Name::new("db").unwrap()] },
            "the time to stop is over, killing web, db",
        );
    }
}
