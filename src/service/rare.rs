//! Parts of a description that are hardly ever written.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::{
    Attributes, Backoff, Environment, Hooks, Listen, Log, Name, Signal, Stop, SuccessCode,
};

/// A part that most services leave as it is: takes one word until it differs from what is usual,
/// and is read as the part itself. With a thousand services that is most of what they need.
///
/// A clone is the same part, until one of them is written to.
pub struct Rare<T: Usual>(Option<Arc<T>>);

/// What a service has where nothing else is written.
pub trait Usual: Clone + PartialEq + fmt::Debug + 'static {
    /// The one that all share.
    fn usual() -> &'static Self;
}

impl<T: Usual> From<T> for Rare<T> {
    fn from(part: T) -> Self {
        Self(if part == *T::usual() { None } else { Some(Arc::new(part)) })
    }
}

impl<T: Usual> Rare<T> {
    /// Becomes the same part as `other`, if it says the same.
    pub fn share(&mut self, other: &Self) {
        if self == other {
            *self = other.clone();
        }
    }
}

impl<T: Usual> Default for Rare<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Usual> Deref for Rare<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Some(part) => part,
            None => T::usual(),
        }
    }
}

impl<T: Usual> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(self.0.get_or_insert_with(|| Arc::new(T::usual().clone())))
    }
}

impl<T: Usual> Clone for Rare<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Usual> PartialEq for Rare<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Usual> fmt::Debug for Rare<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

/// Says what of a type is usual: its default, if nothing else is said.
macro_rules! usual {
    ($part:ty) => {
        usual!($part, <$part>::default());
    };
    ($part:ty, $usual:expr) => {
        impl $crate::service::Usual for $part {
            fn usual() -> &'static Self {
                static USUAL: std::sync::LazyLock<$part> = std::sync::LazyLock::new(|| $usual);
                &USUAL
            }
        }
    };
}
pub(crate) use usual;

// The sockets of a service, the signals it hears of, and those it is restarted with.
usual!(Vec<Listen>);
usual!(Vec<Signal>);
usual!(Vec<Name>);
usual!(Attributes);
usual!(Backoff);
usual!(Environment);
usual!(Hooks);
usual!(Log);
usual!(Stop);
// The ends that count as success.
usual!(Vec<SuccessCode>, vec![SuccessCode::Code(0)]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_takes_no_room_and_what_is_the_same_is_there_once() {
        let mut one: Rare<Backoff> = Backoff::default().into();
        assert!(one.0.is_none());
        one.limit = 3;
        let mut other: Rare<Backoff> = Backoff { limit: 3, ..Backoff::default() }.into();
        let is_same = |one: &Rare<Backoff>, other: &Rare<Backoff>| {
            one.0.as_ref().zip(other.0.as_ref()).is_some_and(|(one, other)| Arc::ptr_eq(one, other))
        };
        assert!(one == other && !is_same(&one, &other));
        other.share(&one);
        assert!(is_same(&one, &other));
        other.limit = 4;
        assert_eq!((one.limit, other.limit), (3, 4));
        other.share(&one);
        assert_eq!(other.limit, 4);
    }
}
