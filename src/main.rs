//! The `anteroom` program. All it does is in the library, under [`anteroom::cli`].

use std::process::ExitCode;

/// Faster than the system's under many small messages, and gives memory back after a burst.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    anteroom::cli::main()
}
