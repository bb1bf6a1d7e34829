//! How is measured; nothing here knows what.

pub mod http;
pub mod interrupt;
pub mod machine;
pub mod process;
pub mod procfs;
pub mod report;
pub mod rounds;
pub mod table;
pub mod wrk;
