//! In the place of libgcc's unwinder, which the release binary has no tables for: nothing can be
//! unwound, and nobody tries. See docs/decisions/0020-no-unwinder.md.

use std::ffi::{c_int, c_void};
use std::process::abort;

/// `_URC_END_OF_STACK` of the unwinder's interface.
const END_OF_STACK: c_int = 5;

/// No frame is to be seen. As that is known when std is optimised together with onit, all that std
/// would do with a frame is left out.
#[unsafe(export_name = "_Unwind_Backtrace")]
extern "C" fn backtrace(
    _each: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
    _argument: *mut c_void,
) -> c_int {
    END_OF_STACK
}

/// What else std and the C library name, and only somebody who unwinds would call.
macro_rules! never {
    ($($name:literal: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {$(
        const _: () = {
            #[unsafe(export_name = $name)]
            extern "C" fn never($(_: $argument),*) $(-> $result)? {
                abort()
            }
        };
    )*};
}

never! {
    "_Unwind_ForcedUnwind": fn(*mut c_void, *mut c_void, *mut c_void) -> c_int;
    "_Unwind_GetCFA": fn(*mut c_void) -> usize;
    "_Unwind_GetDataRelBase": fn(*mut c_void) -> usize;
    "_Unwind_GetIPInfo": fn(*mut c_void, *mut c_int) -> usize;
    "_Unwind_GetLanguageSpecificData": fn(*mut c_void) -> *mut c_void;
    "_Unwind_GetRegionStart": fn(*mut c_void) -> usize;
    "_Unwind_GetTextRelBase": fn(*mut c_void) -> usize;
    "_Unwind_Resume": fn(*mut c_void);
    "_Unwind_SetGR": fn(*mut c_void, c_int, usize);
    "_Unwind_SetIP": fn(*mut c_void, usize);
    "__gcc_personality_v0": fn(c_int, c_int, u64, *mut c_void, *mut c_void) -> c_int;
}
