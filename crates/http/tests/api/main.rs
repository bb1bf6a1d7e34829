//! The API as its clients see it: the real router, in process, over each store.

mod adopted_hash;
mod audit;
mod bad_input;
mod concealment;
mod documented;
mod documents;
mod every_operation;
mod every_problem;
mod headers;
mod idempotency;
mod jobs;
mod journey;
mod limits;
mod lockout;
mod mail_flows;
mod mail_pages;
mod mailbox;
mod operation;
mod permissions;
mod problems;
mod support;
mod users;
