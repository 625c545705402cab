//! The binary `socklet`.

fn main() -> std::process::ExitCode {
    socklet::main()
}
