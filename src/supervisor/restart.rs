//! What comes after an end nobody asked for: again, later, or never.

use std::time::Duration;

use crate::service::{Failure, Restart, Role, Spec};

use super::state::End;

/// What comes after an end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum After {
    /// Start again at once, and count from the beginning.
    Restart,
    /// Start again after this long; that many ends in a row.
    Retry { wait: Duration, ends: u32 },
    /// It has done its work.
    Complete,
    /// It has failed for good.
    Fail { limit_reached: bool },
}

/// What comes after `end`. The service was ready for `was_ready`, its command had been executed
/// `runs` times so far, and before this end there were `ends` in a row.
pub(super) fn after(
    spec: &Spec,
    end: &End,
    was_ready: Duration,
    runs: u32,
    ends: u32,
    dice: f64,
) -> After {
    let success = match end {
        End::Exited(exit) => exit.is_success(&spec.success_codes),
        End::Unfit { .. } | End::NotStarted(_) | End::HookFailed { .. } => false,
    };
    let again = match spec.restart {
        Restart::Always => true,
        Restart::OnFailure => !success,
        Restart::Never => false,
    };
    let hopeless = match end {
        End::NotStarted(failure) => runs == 0 && Failure::is_about_the_command(failure),
        // It has said so.
        End::HookFailed { role: Role::AfterExit { .. }, .. } => true,
        End::Exited(_) | End::Unfit { .. } | End::HookFailed { .. } => false,
    };
    // What could not be started was not tried: unless that is hopeless, it is tried again even
    // where the policy says "never", which speaks of runs.
    let not_tried = match end {
        End::NotStarted(_) => !hopeless,
        End::Exited(_) | End::Unfit { .. } | End::HookFailed { .. } => false,
    };
    if hopeless || !(again || not_tried) {
        return if success { After::Complete } else { After::Fail { limit_reached: false } };
    }
    if was_ready >= spec.backoff.reset_after {
        return After::Restart;
    }
    let ends = ends.saturating_add(1);
    if spec.backoff.limit > 0 && ends >= spec.backoff.limit {
        return After::Fail { limit_reached: true };
    }
    After::Retry { wait: spec.backoff.wait(ends, dice), ends }
}
