//! From JSON to the types of `line.rs`, member by member. What serde derives for it is three times
//! the code; here one reader makes a tree, and each type picks from it.
//!
//! Members that are not known are passed over; one that is missing is as good as `null`.

use serde_json::{Map, Value};

/// What is wrong: the member, or the type, that is not what it should be.
pub(super) type Wrong = &'static str;

/// What a JSON value can be taken as.
pub(super) trait Taken: Sized {
    /// Takes it.
    ///
    /// # Errors
    /// It is something else.
    fn taken(value: Value) -> Result<Self, Wrong>;
}

/// The member of that name.
///
/// # Errors
/// It is missing, or something else.
pub(super) fn member<T: Taken>(
    object: &mut Map<String, Value>,
    name: &'static str,
) -> Result<T, Wrong> {
    T::taken(cut(object, name)).map_err(|_| name)
}

fn cut(object: &mut Map<String, Value>, name: &str) -> Value {
    object.get_mut(name).map(Value::take).unwrap_or_default()
}

/// What is an object with these members; `field = "name"` where a member is called otherwise.
macro_rules! taken {
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
    ($($type:ident { $($field:ident $(= $name:literal)?),* $(,)? })*) => {$(
        impl Taken for $type {
            fn taken(value: Value) -> Result<Self, Wrong> {
                let Value::Object(mut object) = value else { return Err(stringify!($type)) };
                Ok(Self { $($field: member(&mut object, taken!(@name $field $($name)?))?),* })
            }
        }
    )*};
}

pub(super) use taken;

impl Taken for String {
    fn taken(value: Value) -> Result<Self, Wrong> {
        if let Value::String(text) = value { Ok(text) } else { Err("text") }
    }
}

impl Taken for bool {
    fn taken(value: Value) -> Result<Self, Wrong> {
        value.as_bool().ok_or("bool")
    }
}

/// Whole numbers, where they are in range.
macro_rules! numbers {
    ($($type:ident)*) => {$(
        impl Taken for $type {
            fn taken(value: Value) -> Result<Self, Wrong> {
                let number = value.as_u64().map(i128::from).or(value.as_i64().map(i128::from));
                number.and_then(|number| number.try_into().ok()).ok_or(stringify!($type))
            }
        }
    )*};
}

numbers! { i32 u8 u32 u64 usize }

impl<T: Taken> Taken for Option<T> {
    fn taken(value: Value) -> Result<Self, Wrong> {
        if value.is_null() { Ok(None) } else { T::taken(value).map(Some) }
    }
}

impl<T: Taken> Taken for Vec<T> {
    fn taken(value: Value) -> Result<Self, Wrong> {
        let Value::Array(values) = value else { return Err("list") };
        values.into_iter().map(T::taken).collect()
    }
}
