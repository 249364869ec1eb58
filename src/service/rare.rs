//! Parts of a description that are hardly ever written.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::LazyLock;

use super::{Attributes, Backoff, Environment, Hooks, Log, Stop};

/// A part that most services leave as it is: takes one word until it differs from what is usual,
/// and is read as the part itself. With a thousand services that is most of what they need.
pub struct Rare<T: Usual>(Option<Box<T>>);

/// What a service has where nothing else is written.
pub trait Usual: Clone + PartialEq + fmt::Debug + 'static {
    /// The one that all share.
    fn usual() -> &'static Self;
}

impl<T: Usual> From<T> for Rare<T> {
    fn from(part: T) -> Self {
        Self(if part == *T::usual() { None } else { Some(Box::new(part)) })
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
        self.0.get_or_insert_with(|| Box::new(T::usual().clone()))
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

/// Says that the default of a type is what is usual.
macro_rules! usual {
    ($($part:ty),*) => {
        $(impl Usual for $part {
            fn usual() -> &'static Self {
                static USUAL: LazyLock<$part> = LazyLock::new(<$part>::default);
                &USUAL
            }
        })*
    };
}

usual!(Attributes, Backoff, Environment, Hooks, Log, Stop);
