//! The binary; everything is in the library beside it.

use std::process::ExitCode;

/// Gives memory back to the system after a burst, and is faster than the system's own under threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    doorward_server::cli::main()
}
