//! Arguments in, exit code out.

fn main() -> std::process::ExitCode {
    onit::cli::run(std::env::args_os())
}
