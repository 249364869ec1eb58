//! The files of `[include]`. What an included file includes is not read, as in supervisord.

use super::{DIALECT, Reader};
use crate::config::file::At;
use crate::formats::include;
use crate::formats::ini::Ini;
use crate::formats::variables::Variables;

impl Reader<'_> {
    /// Reads what `[include]` names into `ini`.
    pub(super) fn include(&mut self, ini: &mut Ini) {
        let Some(mut section) = ini.take("include") else { return };
        let expansions = self.expansions(&section.place);
        let files = self.expanded(section.take("files"), &expansions, Variables::Values);
        let Some(At { value, place }) = files else { return };
        let pattern = |text: &str| At { value: text.replace("$$", "$"), place: place.clone() };
        let patterns: Vec<At<String>> = value.split_whitespace().map(pattern).collect();
        include::read(self.source, "[include]", &patterns, DIALECT, ini, &mut self.notes);
        if let Some(inner) = ini.take("include") {
            let what = "[include] in a file that is included: supervisord does not look at it";
            self.notes.remark(&inner.place, None, None, what);
        }
    }
}
