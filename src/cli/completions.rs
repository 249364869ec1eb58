//! `onit completions`: scripts for shells, from the table of verbs. Names of services are asked of
//! the running onit.

use std::fmt::Write as _;

use super::args::Shell;
use super::verbs::{Operands, VERBS, Value, VerbInfo};

/// How a script asks for the names of services.
const NAMES: &str = "onit status 2>/dev/null | while read -r name _; do [ \"$name\" = NAME ] || echo \"$name\"; done";

/// The script for `shell`.
#[must_use]
pub fn script(shell: Shell) -> String {
    match shell {
        Shell::Bash => bash(),
        Shell::Zsh => zsh(),
        Shell::Fish => fish(),
    }
}

fn names_of_verbs() -> String {
    let names: Vec<&str> = VERBS.iter().map(|verb| verb.name).collect();
    names.join(" ")
}

fn long_options(verb: &VerbInfo) -> String {
    let options: Vec<String> =
        verb.all_options().map(|option| format!("--{}", option.long)).collect();
    options.join(" ")
}

fn bash() -> String {
    let mut text = format!(
        "# onit completions bash\n\
         _onit() {{\n\
         \x20   local word=${{COMP_WORDS[COMP_CWORD]}} verb=${{COMP_WORDS[1]}}\n\
         \x20   COMPREPLY=()\n\
         \x20   if [ \"$COMP_CWORD\" -eq 1 ]; then\n\
         \x20       COMPREPLY=($(compgen -W \"{}\" -- \"$word\") $(compgen -f -- \"$word\"))\n\
         \x20       return\n\
         \x20   fi\n\
         \x20   case $verb in\n",
        names_of_verbs()
    );
    for verb in VERBS {
        let _ = writeln!(text, "    {})", verb.name);
        let _ = writeln!(text, "        case $word in");
        let _ = writeln!(
            text,
            "        -*) COMPREPLY=($(compgen -W \"{}\" -- \"$word\")) ;;",
            long_options(verb)
        );
        let others = match verb.takes {
            Operands::Nothing => "COMPREPLY=()".to_owned(),
            Operands::Files => "COMPREPLY=($(compgen -f -- \"$word\"))".to_owned(),
            Operands::Names => format!("COMPREPLY=($(compgen -W \"$({NAMES})\" -- \"$word\"))"),
            Operands::Words(words) => {
                format!("COMPREPLY=($(compgen -W \"{}\" -- \"$word\"))", words.join(" "))
            }
        };
        let _ = writeln!(text, "        *) {others} ;;\n        esac ;;");
    }
    text.push_str("    esac\n}\ncomplete -F _onit onit\n");
    text
}

fn zsh() -> String {
    let mut text = String::from("#compdef onit\n# onit completions zsh\n_onit() {\n");
    let _ = writeln!(text, "    local -a verbs names\n    verbs=(");
    for verb in VERBS {
        let _ = writeln!(text, "        '{}:{}'", verb.name, verb.summary);
    }
    text.push_str(
        "    )\n    if (( CURRENT == 2 )); then\n        _describe verb verbs\n        _files\n        \
         return\n    fi\n    case $words[2] in\n",
    );
    for verb in VERBS {
        let _ = writeln!(text, "    {})\n        _arguments \\", verb.name);
        for option in verb.all_options() {
            let value = match option.value {
                Value::None => String::new(),
                Value::Needed(name) => format!(":{name}:"),
                Value::Possible(name) => format!("::{name}:"),
            };
            let long = option.long;
            let _ = writeln!(text, "            '--{long}[{}]{value}' \\", option.help);
        }
        let others = match verb.takes {
            Operands::Nothing => "'*: :'".to_owned(),
            Operands::Files => "'*: :_files'".to_owned(),
            Operands::Names => "'*: :->names'".to_owned(),
            Operands::Words(words) => format!("'*: :({})'", words.join(" ")),
        };
        let _ = writeln!(text, "            {others} ;;");
    }
    let _ = writeln!(
        text,
        "    esac\n    if [[ $state == names ]]; then\n        names=(${{(f)\"$({NAMES})\"}})\n        \
         _describe service names\n    fi\n}}\n_onit \"$@\""
    );
    text
}

fn fish() -> String {
    let mut text = format!(
        "# onit completions fish\n\
         function __onit_names\n    sh -c '{NAMES}'\nend\n\
         set -l verbs {}\n",
        names_of_verbs()
    );
    for verb in VERBS {
        let _ = writeln!(
            text,
            "complete -c onit -n \"not __fish_seen_subcommand_from $verbs\" -a {} -d '{}'",
            verb.name, verb.summary
        );
    }
    for verb in VERBS {
        let seen = format!("complete -c onit -n \"__fish_seen_subcommand_from {}\"", verb.name);
        for option in verb.all_options() {
            let short = option.short.map(|short| format!(" -s {short}")).unwrap_or_default();
            let needs = if option.value == Value::None { "" } else { " -r" };
            let (long, help) = (option.long, option.help);
            let _ = writeln!(text, "{seen} -l {long}{short}{needs} -d '{help}'");
        }
        let _ = match verb.takes {
            Operands::Names => writeln!(text, "{seen} -f -a '(__onit_names)'"),
            Operands::Words(words) => writeln!(text, "{seen} -f -a '{}'", words.join(" ")),
            Operands::Nothing => writeln!(text, "{seen} -f"),
            Operands::Files => Ok(()),
        };
    }
    text
}
